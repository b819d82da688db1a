import { availableParallelism } from 'node:os'
import { executionRequestSchema, type ExecutionInput, type Isolation } from '@loopgate/contracts'
import { createSandbox, type SandboxOptions } from '@loopgate/sandbox'
import { createLogger } from '@loopgate/service-kit'
import { byHand, type ByHand } from './by-hand.ts'

/** Something that runs a trivial program again and again. */
export type Subject = {
  readonly name: string
  /** Runs once, and throws if it did not go as it should. */
  readonly start: () => Promise<{ readonly once: () => Promise<void>; readonly close: () => Promise<void> }>
  /** Runs a program that stays for a while, to look at its memory; absent where there is none that could. */
  readonly stay?: ExecutionInput
  /** Between two runs alone, where more has to be prepared between them than the usual pause has room for. */
  readonly pauseMs?: number
}

/** An interpreter in its sandbox takes 15 ms (Python) to 40 ms (Node) of CPU to be started ahead: of two cores a third. */
const WARM_PAUSE_MS = 50

const SOURCES: Readonly<Record<string, string>> = {
  python: 'print(1 + 1)',
  javascript: 'console.log(1 + 1)',
  typescript: 'console.log((1 as number) + 1)',
}
const ENDINGS: Readonly<Record<string, string>> = { python: 'py', javascript: 'js', typescript: 'ts' }
const STAYS: Readonly<Record<string, string>> = {
  python: 'import time\ntime.sleep(1)',
  javascript: 'setTimeout(() => {}, 1000)',
  typescript: 'setTimeout(() => {}, 1000)',
}
const CHECK = { id: 'c', entryPoint: 'f', source: 'if (f(3) !== 9) throw new Error("wrong")' }

export const logger = createLogger('bench', 'silent')

/** The programs that sandboxes need: what the set-up says, else what is found or brought. */
export const sandboxOptions = (tool: (name: string) => string): SandboxOptions => ({
  bwrapPath: process.env['LOOPGATE_BWRAP_PATH'] ?? tool('bwrap'),
  pythonPath: process.env['LOOPGATE_PYTHON_PATH'] ?? tool('python3'),
  runscPath: process.env['LOOPGATE_RUNSC_PATH'],
})

type Case = { readonly tier: Isolation; readonly language: string; readonly checked?: boolean; readonly warm?: boolean }

const CASES: readonly Case[] = [
  { tier: 'process', language: 'python' },
  { tier: 'process', language: 'python', warm: true },
  { tier: 'process', language: 'javascript' },
  { tier: 'process', language: 'javascript', warm: true },
  { tier: 'process', language: 'typescript' },
  { tier: 'fork', language: 'python' },
  { tier: 'isolate', language: 'javascript' },
  { tier: 'isolate', language: 'typescript' },
  { tier: 'isolate', language: 'javascript', checked: true },
  { tier: 'gvisor', language: 'python' },
  { tier: 'gvisor', language: 'javascript' },
]

/** What is asked of a sandbox, and of the gateway, in one case. */
export function inputOf({ tier, language, checked = false }: Case, stays = false): ExecutionInput {
  const path = `main.${ENDINGS[language] ?? 'txt'}`
  const content = (stays ? STAYS : SOURCES)[language] ?? ''
  if (!checked) return { language, isolation: tier, files: [{ path, content }] }
  return { language, isolation: tier, files: [{ path, content: 'const f = (x) => x * x' }], checks: [CHECK] }
}

const nameOf = ({ tier, language, checked = false, warm = false }: Case): string =>
  `${tier} ${language}${checked ? ', checked' : ''}${warm ? ', warm' : ''}`

/** Every tier and language of the sandbox, and what one would do by hand. */
export function subjects(tools: SandboxOptions, hand: ByHand): Subject[] {
  return [...byHand(hand), ...CASES.map((each) => sandboxed(each, tools))]
}

function sandboxed(which: Case, tools: SandboxOptions): Subject {
  const cores = availableParallelism()
  const warm = which.warm === true ? { floor: 4 * cores, ceiling: 8 * cores, cores } : undefined
  const request = executionRequestSchema.parse(inputOf(which))
  return {
    name: nameOf(which),
    ...(which.warm === true && { pauseMs: WARM_PAUSE_MS }),
    // An isolate has no timer that it could stay by, and its memory is that of its process.
    ...(which.tier !== 'isolate' && which.checked !== true && { stay: inputOf(which, true) }),
    start: async () => {
      const sandbox = createSandbox({ logger }, { ...tools, tier: which.tier, warm })
      const { passed, checks } = await sandbox.selfTest()
      if (!passed) {
        await sandbox.close()
        throw new Error(checks.find((check) => !check.passed)?.detail ?? 'the self-test failed')
      }
      return {
        once: async () => {
          const { signal } = new AbortController()
          const result = await sandbox.execute(request, { executionId: 'bench', tenant: 'bench', signal })
          const isRight =
            which.checked === true
              ? result.checks[0]?.verdict === 'pass'
              : result.outcome === 'ok' && result.stdout === '2\n'
          if (!isRight) throw new Error(`${result.outcome}: ${result.message ?? result.stderr}`)
        },
        close: sandbox.close,
      }
    },
  }
}
