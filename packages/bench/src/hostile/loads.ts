import { availableParallelism } from 'node:os'
import { executionRequestSchema, type ExecutionInput, type ExecutionRequest, type Isolation } from '@loopgate/contracts'
import { HOSTILE_PROGRAMS, ISOLATE_BOMBS, ISOLATE_SPINS } from '@loopgate/testkit/hostile-programs'

/** What runs beside the canary, over and over. */
export type Load = {
  readonly name: string
  readonly kind: 'harmless' | 'hostile'
  readonly request: ExecutionRequest
  /** How many of it at once. */
  readonly lanes: number
}

const MIB = 1024 * 1024
const PATHS: Readonly<Record<string, string>> = { python: 'a.py', javascript: 'a.js', c: 'a.c' }
/** Long enough to be run rather than started, short enough for several in a stretch. */
const SPIN_CPU_MS = 400

/** Harmless programs, by what of the machine they take. */
export const HARMLESS = {
  short: 'harmless short programs',
  oneCore: 'a harmless busy program',
  allCores: 'a harmless busy program for each core',
} as const

const canaryOf = (tier: Isolation): ExecutionInput =>
  tier === 'isolate'
    ? { language: 'javascript', files: [{ path: 'c.js', content: 'console.log("canary")' }] }
    : { language: 'python', files: [{ path: 'c.py', content: 'print("canary")' }] }

/** The smallest program of a tier. */
export const canaryRequest = (tier: Isolation): ExecutionRequest =>
  executionRequestSchema.parse({ ...canaryOf(tier), isolation: tier })

/** All that is run beside the canary in one tier: harmless programs first, then hostile ones of its languages. */
export function loadsOf(tier: Isolation, languages: ReadonlySet<string>): Load[] {
  const load = (kind: Load['kind'], name: string, input: ExecutionInput, lanes = 1): Load => ({
    name,
    kind,
    lanes,
    request: executionRequestSchema.parse({ ...input, isolation: tier }),
  })
  const program = (language: string, content: string, limits: ExecutionInput['limits'] = {}): ExecutionInput => ({
    language,
    files: [{ path: PATHS[language] ?? 'a', content }],
    limits,
  })
  const busy =
    tier === 'isolate'
      ? program('javascript', 'for (;;);', { cpuMs: SPIN_CPU_MS })
      : program('python', 'while True: pass', { cpuMs: SPIN_CPU_MS })
  const harmless = [
    load('harmless', HARMLESS.short, canaryOf(tier)),
    load('harmless', HARMLESS.oneCore, busy),
    load('harmless', HARMLESS.allCores, busy, availableParallelism()),
  ]
  if (tier === 'isolate') {
    const spins = Object.entries(ISOLATE_SPINS).map(([name, source]) =>
      load('hostile', name, program('javascript', source, { cpuMs: SPIN_CPU_MS, wallMs: 5000 })),
    )
    const bombs = Object.entries(ISOLATE_BOMBS).map(([name, source]) =>
      load('hostile', name, program('javascript', source, { memoryBytes: 64 * MIB, cpuMs: 20_000, outputBytes: 4096 })),
    )
    return [...harmless, ...spins, ...bombs]
  }
  const hostile = HOSTILE_PROGRAMS.filter(({ language }) => languages.has(language)).map(
    ({ name, language, source, limits }) => load('hostile', name, program(language, source, limits)),
  )
  return [...harmless, ...hostile]
}
