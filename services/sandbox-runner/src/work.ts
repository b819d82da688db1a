import {
  executionRequestSchema,
  type ExecutionRequest,
  type ExecutionResult,
  type GatewayFrame,
  type RunnerFrame,
} from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { Sandbox, SandboxResult } from '@loopgate/sandbox'
import { fitResult } from './fit-result.ts'
import type { KeptResults } from './kept-results.ts'
import { notRun } from './not-run.ts'
import { createOutputRelay } from './output-relay.ts'

type Execute = Extract<GatewayFrame, { type: 'execute' }>

/** The slots of the runner, shared by the links to all gateways. */
export type Work = {
  /** Answers `accepted`, `busy` or `refused`, and later with the result, through `send`. */
  readonly execute: (gatewayId: string, frame: Execute) => void
  readonly cancel: (gatewayId: string, leaseId: string) => void
  /** Kills what runs for a gateway that is no more: nobody waits for it. */
  readonly abandon: (gatewayId: string) => void
  /** From now on everything is refused. */
  readonly retire: () => void
  /** Retires, and resolves when what runs has ended. */
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
  /** Sends what may be lost; false if it is. */
  readonly offer: (gatewayId: string, leaseId: string, frame: RunnerFrame) => boolean
  /** The number of running executions has changed. */
  readonly onRunning: () => void
}

export type WorkOptions = {
  readonly runnerId: string
  readonly slots: number
}

const CANCELLED = new Error('the gateway cancelled the execution')
const ABANDONED = new Error('the gateway was restarted')

export function createWork(deps: WorkDeps, options: WorkOptions): Work {
  const running = new Map<string, AbortController>()
  const keyOf = (gatewayId: string, leaseId: string) => `${gatewayId} ${leaseId}`
  let retired = false
  let drained = () => {}

  const run = async (
    sandbox: Sandbox,
    gatewayId: string,
    frame: Execute,
    request: ExecutionRequest,
    abort: AbortController,
  ): Promise<void> => {
    const { leaseId, executionId } = frame
    const lapsesMs = deps.clock.now() + frame.deadlineMs
    // Past its deadline the lease is another runner's, so finishing would only hold the slot.
    const stopDeadline = deps.clock.after(frame.deadlineMs, () => abort.abort(new Error('the lease has lapsed')))
    const relay = frame.output ? createOutputRelay(leaseId, (out) => deps.offer(gatewayId, leaseId, out)) : undefined
    let result: SandboxResult
    try {
      result = await sandbox.execute(request, {
        executionId,
        signal: abort.signal,
        tenant: frame.tenant,
        ...(relay !== undefined && { onOutput: relay.push }),
      })
    } catch (error) {
      if (!abort.signal.aborted) deps.logger.error({ err: error, executionId }, 'an execution could not be run')
      result = notRun(request, executionId, abort.signal.aborted ? 'killed' : 'internal_error', error as Error)
    }
    stopDeadline()
    relay?.end()
    running.delete(keyOf(gatewayId, leaseId))
    deps.onRunning()
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
        if (retired || running.size >= options.slots) return deps.send(gatewayId, { type: 'busy', leaseId })
        // A limit that is not known here could not be kept: such a request is not run without it.
        const request = executionRequestSchema.safeParse(frame.request)
        if (!request.success) {
          const [issue] = request.error.issues
          const reason = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`.slice(0, 1000)
          return deps.send(gatewayId, { type: 'refused', leaseId, reason })
        }
        const sandbox = deps.sandboxOf(request.data)
        if (sandbox === undefined) return deps.send(gatewayId, { type: 'busy', leaseId })
        const abort = new AbortController()
        running.set(key, abort)
        deps.onRunning()
        void run(sandbox, gatewayId, frame, request.data, abort)
      }
      deps.send(gatewayId, { type: 'accepted', leaseId })
    },
    cancel: (gatewayId, leaseId) => running.get(keyOf(gatewayId, leaseId))?.abort(CANCELLED),
    abandon: (gatewayId) => {
      for (const [key, abort] of running) if (key.startsWith(`${gatewayId} `)) abort.abort(ABANDONED)
    },
    retire: () => {
      retired = true
    },
    drain: () => {
      retired = true
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
