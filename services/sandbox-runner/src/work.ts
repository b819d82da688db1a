import type { ExecutionRequest, ExecutionResult, GatewayFrame, RunnerFrame } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { Sandbox, SandboxResult } from '@loopgate/sandbox'
import { fitResult } from './fit-result.ts'
import type { KeptResults } from './kept-results.ts'

type Execute = Extract<GatewayFrame, { type: 'execute' }>

/** The slots of the runner, shared by the links to all gateways. */
export type Work = {
  /** Answers `accepted` or `busy`, and later with the result, through `send`. */
  readonly execute: (gatewayId: string, frame: Execute) => void
  readonly cancel: (gatewayId: string, leaseId: string) => void
  /** From now on everything is refused. Resolves when what runs has ended. */
  readonly drain: () => Promise<void>
  /** Kills what runs. */
  readonly abort: () => void
  readonly running: () => number
}

export type WorkDeps = {
  readonly clock: Clock
  readonly logger: Logger
  /** The sandbox for a request; undefined where its tier or language is not offered, or not yet. */
  readonly sandboxOf: (request: ExecutionRequest) => Sandbox | undefined
  readonly kept: KeptResults
  /** Sends to the gateway if it is attached now; a result that it does not get is kept. */
  readonly send: (gatewayId: string, frame: RunnerFrame) => void
}

export type WorkOptions = {
  readonly runnerId: string
  readonly slots: number
}

const CANCELLED = new Error('the gateway cancelled the execution')

export function createWork(deps: WorkDeps, options: WorkOptions): Work {
  const running = new Map<string, AbortController>()
  const keyOf = (gatewayId: string, leaseId: string) => `${gatewayId} ${leaseId}`
  let draining = false
  let drained = () => {}

  const run = async (sandbox: Sandbox, gatewayId: string, frame: Execute, abort: AbortController): Promise<void> => {
    const { leaseId, executionId, request } = frame
    const lapsesMs = deps.clock.now() + frame.deadlineMs
    // Past its deadline the lease is another runner's, so finishing would only hold the slot.
    const stopDeadline = deps.clock.after(frame.deadlineMs, () => abort.abort(new Error('the lease has lapsed')))
    let result: SandboxResult
    try {
      result = await sandbox.execute(request, { executionId, signal: abort.signal })
    } catch (error) {
      if (!abort.signal.aborted) deps.logger.error({ err: error, executionId }, 'an execution could not be run')
      result = notRun(request, executionId, abort.signal.aborted ? 'killed' : 'internal_error', error as Error)
    }
    stopDeadline()
    running.delete(keyOf(gatewayId, leaseId))
    const whole: ExecutionResult = fitResult({ ...result, runnerId: options.runnerId, queueMs: 0 })
    deps.kept.keep(gatewayId, leaseId, whole, lapsesMs)
    deps.send(gatewayId, { type: 'result', leaseId, result: whole })
    if (running.size === 0) drained()
  }

  return {
    execute: (gatewayId, frame) => {
      const { leaseId } = frame
      const key = keyOf(gatewayId, leaseId)
      // The same lease again, after a reconnect: never a second run.
      const done = deps.kept.of(gatewayId).find((each) => each.leaseId === leaseId)
      if (done !== undefined) return deps.send(gatewayId, { type: 'result', leaseId, result: done.result })
      if (!running.has(key)) {
        const sandbox = draining || running.size >= options.slots ? undefined : deps.sandboxOf(frame.request)
        if (sandbox === undefined) return deps.send(gatewayId, { type: 'busy', leaseId })
        const abort = new AbortController()
        running.set(key, abort)
        void run(sandbox, gatewayId, frame, abort)
      }
      deps.send(gatewayId, { type: 'accepted', leaseId })
    },
    cancel: (gatewayId, leaseId) => running.get(keyOf(gatewayId, leaseId))?.abort(CANCELLED),
    drain: () => {
      draining = true
      return new Promise((resolve) => {
        drained = resolve
        if (running.size === 0) resolve()
      })
    },
    abort: () => {
      for (const abort of running.values()) abort.abort(new Error('the runner is closing'))
    },
    running: () => running.size,
  }
}

/** The result of an execution that has none: it was cancelled, or the sandbox refused it. */
function notRun(
  request: ExecutionRequest,
  id: string,
  outcome: 'killed' | 'internal_error',
  error: Error,
): SandboxResult {
  return {
    id,
    outcome,
    exitCode: null,
    signal: outcome === 'killed' ? 'SIGKILL' : null,
    stdout: '',
    stderr: '',
    truncated: { stdout: false, stderr: false },
    wallMs: 0,
    cpuMs: null,
    startupMs: 0,
    peakMemoryBytes: null,
    isolation: { requested: request.isolation, achieved: request.isolation, enforced: [] },
    runtime: { language: request.language, version: 'none' },
    checks: [],
    message: error.message.slice(0, 1000),
  }
}
