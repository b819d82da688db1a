import { parseArgs } from 'node:util'
import { canIsolate, type Isolation } from '@loopgate/contracts'
import { KNOWN_SETS, knownCases, type KnownCase, type KnownSet } from '@loopgate/problems'
import { tier, UsageError, whole } from '../lib/option-values.ts'

export type FidelityOptions = {
  readonly set: string
  readonly isolation: Isolation
  /** Problems of each set, from the first on. */
  readonly problems: number
  /** Samples of each problem, where it has several. */
  readonly samples: number
  readonly json: boolean
}

/** What `--set` takes: each set by its name, and those of one language together. */
const SETS: Readonly<Record<string, readonly KnownSet[]>> = {
  ...Object.fromEntries(KNOWN_SETS.map((set) => [set, [set]])),
  javascript: ['humaneval-js', 'multipl-e-js'],
}

/**
 * Parses `--set`, `--isolation`, `--problems`, `--samples` and `--json`.
 * @throws UsageError naming the option and what it takes
 */
export function parseFidelityOptions(args: readonly string[]): FidelityOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      set: { type: 'string', default: 'samples' },
      isolation: { type: 'string', default: 'process' },
      problems: { type: 'string', default: '1000' },
      samples: { type: 'string', default: '100' },
      json: { type: 'boolean', default: false },
    },
  })
  const { set, json } = values
  if (!Object.hasOwn(SETS, set)) throw new UsageError(`--set takes ${Object.keys(SETS).join(', ')}, not "${set}"`)
  return {
    set,
    isolation: tier(values.isolation),
    problems: whole('problems', values.problems, 1000),
    samples: whole('samples', values.samples, 100),
    json,
  }
}

/**
 * The cases that are asked for.
 * @throws Error if the tier does not run their language
 */
export function chosenCases({ set, isolation, problems, samples }: Omit<FidelityOptions, 'json'>): KnownCase[] {
  const cases = (SETS[set] ?? []).flatMap((name) => {
    const byProblem = Map.groupBy(knownCases(name), ({ problem }) => problem)
    return [...byProblem.values()].slice(0, problems).flatMap((each) => each.slice(0, samples))
  })
  const strange = cases.find(({ language }) => !canIsolate({ language, isolation }))
  if (strange) throw new Error(`--isolation ${isolation} does not run ${strange.language}, which the set ${set} is in`)
  return cases
}
