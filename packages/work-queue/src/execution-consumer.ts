import type { Clock, Logger } from '@loopgate/service-kit'
import type { Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { withDeadline } from './deadline.ts'
import { EXECUTION_QUEUE, executionJobSchema, type ExecutionJob } from './executions.ts'
import { openWorker, type WorkerOptions } from './queues.ts'

/** `done`: it has ended, or there is nothing to run. `again`: nobody could run it now. */
export type ExecutionEnd = 'done' | 'again'

export type ExecutionConsumer = {
  readonly ready: () => Promise<void>
  /** Takes no further jobs and waits for those running, at most `deadlineMs`; others take over what is left. */
  readonly close: (deadlineMs: number) => Promise<void>
}

export type ExecutionConsumerOptions = WorkerOptions & {
  /** `lost` is aborted when another process may be running the same execution. */
  readonly handle: (executionId: string, lost: AbortSignal) => Promise<ExecutionEnd>
  /** The queue has given it up, after too many faults or too many processes that died with it. */
  readonly giveUp: (executionId: string) => Promise<void>
}

/** How long an execution rests that nobody could run. */
const AGAIN_MS = 1_000
/** How long BullMQ has to say goodbye once nothing runs any more. */
const CLOSE_MS = 2_000

const WORDS = { what: 'execution', stalled: 'execution taken back from a gateway that went silent' } as const

/** Runs asynchronous executions. `redis` is a `worker` connection; BullMQ opens a second one like it; the first is not closed here. */
export function createExecutionConsumer(
  { redis, logger, clock }: { readonly redis: Redis; readonly logger: Logger; readonly clock: Clock },
  { handle, giveUp, ...options }: ExecutionConsumerOptions,
): ExecutionConsumer {
  const active = new Set<Promise<unknown>>()
  const run = async (job: Job<ExecutionJob>, lost: AbortSignal): Promise<number | null> => {
    const { executionId } = executionJobSchema.parse(job.data)
    const handling = handle(executionId, lost)
    active.add(handling)
    const end = await handling.finally(() => active.delete(handling))
    return end === 'done' ? null : AGAIN_MS
  }
  const worker = openWorker(EXECUTION_QUEUE, WORDS, { redis, logger }, options, run)
  worker.on('failed', (job, error) => {
    if (job === undefined) return
    const { executionId } = job.data
    const isFinal = job.finishedOn !== undefined
    logger.error({ err: error, executionId, isFinal }, 'an asynchronous execution met a fault')
    if (!isFinal) return
    giveUp(executionId).catch((err: unknown) => logger.error({ err, executionId }, 'its end could not be written'))
  })

  return {
    ready: async () => {
      await worker.waitUntilReady()
    },
    close: async (deadlineMs) => {
      // Takes nothing more; its close comes once nothing runs, so that it can say how it is to close.
      worker.pause(true).catch(() => {})
      if (!(await withDeadline(clock, Promise.allSettled(active), deadlineMs))) {
        logger.warn({ deadlineMs }, 'executions did not end in time; other gateways will take them over')
      }
      // With Redis away BullMQ's close never settles unless it is forced (taskforcesh/bullmq#4656).
      await withDeadline(clock, worker.close(redis.status !== 'ready'), CLOSE_MS)
    },
  }
}
