import { parseArgs } from 'node:util'

export type ChaosOptions = { readonly kills: number; readonly problems: number; readonly seed: number }

/**
 * Parses `--kills`, `--problems` and `--seed`.
 * @throws Error naming the option and what it takes
 */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kills: { type: 'string', default: '12' },
      problems: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
    },
  })
  const whole = (name: 'kills' | 'problems' | 'seed', max: number): number => {
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= 1 && value <= max) return value
    throw new Error(`--${name} takes a whole number from 1 to ${max}, not "${values[name]}"`)
  }
  return { kills: whole('kills', 1000), problems: whole('problems', 164), seed: whole('seed', 1_000_000) }
}
