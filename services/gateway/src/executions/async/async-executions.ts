import type { AsyncExecution } from '@loopgate/contracts'
import type { ExecutionRecords } from '@loopgate/execution-store'
import { fault, type Clock, type ErrorCode, type LoopgateError } from '@loopgate/service-kit'
import type { ExecutionEnd, ExecutionProducer } from '@loopgate/work-queue'
import { problemOf } from '../../errors/bodies.ts'
import { toFault } from '../../errors/to-fault.ts'
import type { Executions } from '../dispatcher.ts'
import type { Order } from '../task.ts'
import type { AsyncMetrics } from './metrics.ts'

/** Executions whose caller does not wait. All methods throw LG_STORE_UNAVAILABLE when Redis cannot be reached. */
export type AsyncExecutions = {
  /** @throws LG_TOO_LARGE, LG_EXECUTION_QUEUE_FULL */
  readonly accept: (order: Pick<Order, 'tenant' | 'keyId' | 'request' | 'bytes' | 'reuse'>) => Promise<AsyncExecution>
  /** @throws LG_NOT_FOUND, for another tenant's too */
  readonly get: (tenant: string, id: string) => Promise<AsyncExecution>
  /** Ends it unless it has ended; what runs is killed. @throws LG_NOT_FOUND, for another tenant's too */
  readonly cancel: (tenant: string, id: string) => Promise<AsyncExecution>
  /** What the queue hands over. Does not throw but when Redis cannot be reached. */
  readonly handle: (id: string, lost: AbortSignal) => Promise<ExecutionEnd>
  /** Ends what the queue has given up. */
  readonly giveUp: (id: string) => Promise<void>
}

/** Faults that another time or another replica may not meet. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'LG_NO_RUNNER',
  'LG_ISOLATION_UNAVAILABLE',
  'LG_EXECUTION_QUEUE_FULL',
  'LG_EXECUTION_QUEUE_TIMEOUT',
  'LG_DRAINING',
  'LG_LIMIT_REACHED',
])

/** What waits lies in Redis, whose memory everybody shares. */
const REQUEST_BYTES_MAX = 1024 * 1024

/** How long an execution may wait for a runner; whoever wants to wait longer asks again. */
const WAIT_MS = 3_600_000

export function createAsyncExecutions(
  deps: {
    readonly records: ExecutionRecords
    readonly producer: ExecutionProducer
    readonly executions: Executions
    readonly clock: Clock
    readonly metrics: AsyncMetrics
  },
  { queueMax }: { readonly queueMax: number },
): AsyncExecutions {
  const { records, producer, executions, clock, metrics } = deps
  const running = new Map<string, AbortController>()
  metrics.observe(
    () => running.size,
    () => producer.depth(),
  )

  const found = (execution: AsyncExecution | null): AsyncExecution => {
    if (execution === null) throw fault('LG_NOT_FOUND', { message: 'There is no such execution' })
    return execution
  }
  const fail = async (id: string, error: LoopgateError): Promise<void> => {
    if (await records.end(id, { state: 'failed', error: problemOf(error, id) })) metrics.ended('failed')
  }

  records.onCancelled(
    (id) => running.get(id)?.abort(),
    () => {
      // Something may have been told while nobody heard it.
      const ids = [...running.keys()]
      if (ids.length === 0) return
      records.ended(ids).then(
        (ended) => ended.forEach((id) => running.get(id)?.abort()),
        () => {}, // cut again: the next time
      )
    },
  )

  return {
    async accept({ tenant, keyId, request, bytes, reuse = 'use' }) {
      if (bytes > REQUEST_BYTES_MAX) {
        throw fault('LG_TOO_LARGE', { message: `At most ${REQUEST_BYTES_MAX} bytes may wait; send it without prefer` })
      }
      if ((await producer.depth()) >= queueMax) throw fault('LG_EXECUTION_QUEUE_FULL')
      const execution = await records.create({ tenant, keyId, request, reuse })
      try {
        await producer.enqueue(execution.id)
      } catch (error) {
        // Nobody would ever run it. If it cannot be removed either, it lapses by itself.
        await records.remove(execution.id).catch(() => {})
        throw error
      }
      return execution
    },
    get: async (tenant, id) => found(await records.get(tenant, id)),
    async cancel(tenant, id) {
      const cancelled = await records.cancel(tenant, id)
      if (cancelled?.changed === true) metrics.ended('cancelled')
      return found(cancelled?.execution ?? null)
    },
    async handle(id, lost) {
      const stop = new AbortController()
      const onLost = (): void => stop.abort()
      lost.addEventListener('abort', onLost, { once: true })
      // Before it is looked at: a cancellation is told over another connection, and may come first.
      running.set(id, stop)
      let createdAtMs = 0
      // A caller who looks sees it a little later; what counts is the end.
      const watch = { onStart: () => void records.start(id).catch(() => {}) }
      try {
        const taken = await records.begin(id)
        if (taken === null || stop.signal.aborted) return 'done'
        const { tenant, keyId, request, bytes, reuse } = taken
        createdAtMs = taken.createdAtMs
        const result = await executions.run({
          id,
          tenant,
          ...(keyId !== undefined && { keyId }),
          request,
          bytes,
          reuse,
          signal: stop.signal,
          watch,
        })
        if (await records.end(id, { state: 'ended', result })) metrics.ended('ended')
        return 'done'
      } catch (error) {
        // Cancelled, or another process has it: either way its end is not ours to write.
        if (stop.signal.aborted) return 'done'
        const met = toFault(error)
        if (met.code === 'LG_STORE_UNAVAILABLE') throw error
        if (PASSING.has(met.code) && clock.wallNow() - createdAtMs < WAIT_MS) return 'again'
        await fail(id, met)
        return 'done'
      } finally {
        lost.removeEventListener('abort', onLost)
        running.delete(id)
      }
    },
    giveUp: (id) => fail(id, fault('LG_RUNNER_LOST')),
  }
}
