import type { ExecutionRequest, OutputStream } from '@loopgate/contracts'
import type { ExecuteOptions, Sandbox, SandboxResult, SelfTestReport } from '@loopgate/sandbox'
import { createLogger, type Clock } from '@loopgate/service-kit'
import { createRunner, type Runner } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'

export const TOKEN = 'runner-token-canary'

type Held = Pick<ExecuteOptions, 'onOutput'> & {
  readonly finish: (stdout?: string) => void
  readonly aborted: () => boolean
}

/**
 * A sandbox whose executions end when the test says so: for tests of the protocol, which are about
 * when something runs and not what.
 */
export function heldSandbox(report: Partial<SelfTestReport> = {}) {
  const held = new Map<string, Held>()
  const started: string[] = []
  let onStart = () => {}
  const sandbox: Sandbox = {
    tier: 'process',
    selfTest: async () => ({
      passed: true,
      checks: [],
      languages: [{ language: 'python', version: '3.11.2' }],
      enforced: [],
      ...report,
    }),
    execute: (request, { executionId, signal, onOutput }) =>
      new Promise((resolve, reject) => {
        started.push(executionId)
        held.set(executionId, {
          finish: (stdout = '') => resolve(resultOf(request, executionId, stdout)),
          aborted: () => signal.aborted,
          onOutput,
        })
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        onStart()
      }),
    close: async () => {},
  }
  return {
    sandbox,
    started,
    finish: (executionId: string, stdout?: string) => held.get(executionId)?.finish(stdout),
    aborted: (executionId: string) => held.get(executionId)?.aborted(),
    /** Puts something out; false if nobody wants to hear it while it runs. */
    output: (executionId: string, stream: OutputStream, bytes: Buffer): boolean => {
      const { onOutput } = held.get(executionId) ?? {}
      onOutput?.(stream, bytes)
      return onOutput !== undefined
    },
    nextStart: () =>
      new Promise<void>((resolve) => {
        onStart = resolve
      }),
  }
}

function resultOf(request: ExecutionRequest, id: string, stdout: string): SandboxResult {
  return {
    id,
    outcome: 'ok',
    exitCode: 0,
    signal: null,
    stdout,
    stderr: '',
    truncated: { stdout: false, stderr: false },
    wallMs: 1,
    cpuMs: 1,
    startupMs: 1,
    peakMemoryBytes: null,
    isolation: { requested: request.isolation, achieved: 'process', enforced: [] },
    runtime: { language: request.language, version: '3.11.2' },
    checks: [],
  }
}

/** A runner in this process, closed at the end of the test. */
export function startRunner(
  t: { teardown: (fn: () => unknown) => void },
  options: { gatewayUrl: string; sandbox: Sandbox; slots?: number; clock?: Clock },
): Runner {
  const config = readConfig({
    LOOPGATE_GATEWAY_URL: options.gatewayUrl,
    LOOPGATE_RUNNER_TOKEN: TOKEN,
    LOOPGATE_RUNNER_ID: 'runner-a',
    LOOPGATE_RUNNER_SLOTS: String(options.slots ?? 2),
  })
  const runner = createRunner({
    config,
    logger: createLogger('test', 'silent'),
    sandboxes: [options.sandbox],
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  })
  t.teardown(() => runner.close())
  void runner.start()
  return runner
}
