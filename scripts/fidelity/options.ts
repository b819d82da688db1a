import { parseArgs } from 'node:util'
import { canIsolate, isolationSchema, type Isolation } from '@loopgate/contracts'
import { KNOWN_SETS, knownCases, type KnownCase, type KnownSet } from '@loopgate/problems'

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
 * @throws Error naming the option and what it takes
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
  if (!Object.hasOwn(SETS, set)) throw new Error(`--set takes ${Object.keys(SETS).join(', ')}, not "${set}"`)
  const isolation = isolationSchema.safeParse(values.isolation)
  if (!isolation.success)
    throw new Error(`--isolation takes ${isolationSchema.options.join(', ')}, not "${values.isolation}"`)
  const whole = (name: 'problems' | 'samples', max: number): number => {
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= 1 && value <= max) return value
    throw new Error(`--${name} takes a whole number from 1 to ${max}, not "${values[name]}"`)
  }
  return { set, isolation: isolation.data, problems: whole('problems', 1000), samples: whole('samples', 100), json }
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
