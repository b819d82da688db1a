import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { executionRequestSchema, isolationSchema, type ExecutionInput } from '@loopgate/contracts'
import { createLogger } from '@loopgate/service-kit'
import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import { createSandbox, type Sandbox, type SandboxOptions, type SandboxResult } from '@loopgate/sandbox'

const toolchain = (path: string) => fileURLToPath(new URL(`../../../../.loopgate/toolchain/${path}`, import.meta.url))
const ifThere = (path: string) => (existsSync(path) ? path : undefined)

removeSpawnHook()

/** The programs that the set-up found or brought. */
export const TOOLS: SandboxOptions = {
  bwrapPath: process.env['LOOPGATE_BWRAP_PATH'] ?? ifThere(toolchain('bin/bwrap')),
  runscPath: process.env['LOOPGATE_RUNSC_PATH'] ?? ifThere(toolchain('usr/bin/runsc')),
  pythonPath: process.env['LOOPGATE_PYTHON_PATH'] ?? ifThere(toolchain('usr/bin/python3.11')),
}

export const logger = createLogger('test', 'silent')

/**
 * The tier that a test file is run over. Those that hold for each tier are run again by test/fork/, which
 * sets the variable and imports them.
 */
export const TIER = isolationSchema.parse(process.env['SANDBOX_TEST_TIER'] ?? 'process')

/** Whether the same is run over sandboxes that were started ahead, as test/warm/ does. */
export const WARM = process.env['SANDBOX_TEST_WARM'] === '1'
const AHEAD: SandboxOptions = WARM ? { warm: { floor: 2, ceiling: 4, cores: 1000 } } : {}

/** Why a test of JavaScript is skipped, or false. */
export const noJavascript = TIER === 'fork' ? 'the tier fork runs Python only' : false

/** Why a test of Python is skipped, or false. */
export const noPython = TIER === 'isolate' ? 'the tier isolate runs JavaScript and TypeScript only' : false

/** Time enough on a loaded machine: what tells a hang is the CPU limit. */
const PATIENT = { cpuMs: 4000, wallMs: 30_000 }

export type TestSandbox = {
  readonly sandbox: Sandbox
  /** Runs a request, whose limits default to patient ones. */
  readonly run: (input: ExecutionInput, signal?: AbortSignal) => Promise<SandboxResult>
}

/**
 * A sandbox of the test's own that has passed its self-test; null where the machine refuses
 * namespaces, with the reason printed by the caller's skip.
 */
export async function readySandbox(
  t: { teardown: (fn: () => unknown) => void },
  options: SandboxOptions = {},
): Promise<TestSandbox | { refused: string }> {
  const sandbox = createSandbox({ logger }, { ...TOOLS, ...AHEAD, tier: TIER, ...options })
  t.teardown(() => sandbox.close())
  const report = await sandbox.selfTest()
  if (!report.passed) {
    const failed = report.checks.filter(({ passed }) => !passed)
    return { refused: failed.map(({ name, detail }) => `${name}: ${detail}`).join('; ') }
  }
  return {
    sandbox,
    run: (input, signal = new AbortController().signal) =>
      sandbox.execute(
        executionRequestSchema.parse({
          isolation: sandbox.tier,
          ...input,
          limits: { ...PATIENT, ...input.limits },
        }),
        { executionId: 'exec_test', tenant: 'test', signal },
      ),
  }
}

/** Whether a refusal is the machine's: namespaces are not to be had. Anything else is a defect, not a skip. */
export function isMachines(refused: string): boolean {
  return /refuses user namespaces|could be made but not set up|bubblewrap is not installed|needs runsc|needs setpriv|procfs cannot be mounted/.test(
    refused,
  )
}

/**
 * The sandbox of a test file. Where namespaces are refused the whole file is skipped with the reason;
 * any other failure of the self-test fails it.
 */
export async function sandboxFor(t: Tap, options: SandboxOptions = {}): Promise<TestSandbox> {
  const ready = await readySandbox(t, options)
  if (!('refused' in ready)) return ready
  if (isMachines(ready.refused)) t.plan(0, ready.refused)
  else t.fail(ready.refused)
  return process.exit(isMachines(ready.refused) ? 0 : 1)
}

type Tap = {
  teardown: (fn: () => unknown) => void
  plan: (count: number, reason: string) => void
  fail: (message: string) => unknown
}

/** Runs `each` over the items, `width` at a time, in order of arrival. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  each: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await each(item)
    }),
  )
}
