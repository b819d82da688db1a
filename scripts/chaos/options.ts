import { parseArgs } from 'node:util'
import { whole } from '../lib/option-values.ts'

export type ChaosOptions = {
  readonly kills: number
  readonly problems: number
  readonly seed: number
  /** Cuts the network for so long instead of killing; null where nothing is cut. */
  readonly cutSeconds: number | null
}

/**
 * Parses `--kills`, `--problems`, `--seed` and `--cut`.
 * @throws UsageError naming the option and what it takes
 */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '12' },
      problems: { type: 'string', default: '60' },
      cut: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
    },
  })
  const { kills, problems, seed, cut } = values
  return {
    kills: whole('kills', kills, 1000),
    problems: whole('problems', problems, 164),
    seed: whole('seed', seed, 1_000_000),
    cutSeconds: cut === undefined ? null : whole('cut', cut, 3600),
  }
}
