import type { Clock, Logger } from '@loopgate/service-kit'
import { DelayedError, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { withDeadline } from './deadline.ts'
import { EXECUTION_QUEUE, executionJobSchema, type ExecutionJob } from './executions.ts'
import { MAX_STALLED_COUNT, queuePrefix } from './slices.ts'

/** `done`: it has ended, or there is nothing to run. `again`: nobody could run it now. */
export type ExecutionEnd = 'done' | 'again'

export type ExecutionConsumer = {
  readonly ready: () => Promise<void>
  /** Takes no further jobs and waits for those running, at most `deadlineMs`; others take over what is left. */
  readonly close: (deadlineMs: number) => Promise<void>
}

export type ExecutionConsumerOptions = {
  readonly keyPrefix: string
  /** Executions taken up at once. */
  readonly concurrency: number
  /** How long a dead process keeps its executions. */
  readonly stallMs: number
  /** `lost` is aborted when another process may be running the same execution. */
  readonly handle: (executionId: string, lost: AbortSignal) => Promise<ExecutionEnd>
  /** The queue has given it up, after too many faults or too many processes that died with it. */
  readonly giveUp: (executionId: string) => Promise<void>
}

/** How long an execution rests that nobody could run. */
const AGAIN_MS = 1_000
/** How long BullMQ has to say goodbye once nothing runs any more. */
const CLOSE_MS = 2_000

/** Runs asynchronous executions. `redis` is a `worker` connection; BullMQ opens a second one like it; the first is not closed here. */
export function createExecutionConsumer(
  { redis, logger, clock }: { readonly redis: Redis; readonly logger: Logger; readonly clock: Clock },
  { keyPrefix, concurrency, stallMs, handle, giveUp }: ExecutionConsumerOptions,
): ExecutionConsumer {
  const active = new Set<Promise<unknown>>()
  // The third parameter must be there, or BullMQ makes no signal.
  const process = async (job: Job<ExecutionJob>, token: string | undefined, signal?: AbortSignal): Promise<void> => {
    const { executionId } = executionJobSchema.parse(job.data)
    const handling = handle(executionId, signal ?? new AbortController().signal)
    active.add(handling)
    const end = await handling.finally(() => active.delete(handling))
    if (end === 'done') return
    await job.moveToDelayed(Date.now() + AGAIN_MS, token)
    throw new DelayedError()
  }

  const worker = new Worker<ExecutionJob, void>(EXECUTION_QUEUE, process, {
    connection: redis,
    prefix: queuePrefix(keyPrefix),
    concurrency,
    lockDuration: stallMs,
    stalledInterval: Math.ceil(stallMs / 2),
    maxStalledCount: MAX_STALLED_COUNT,
    // After a lost connection; BullMQ's 15 s would leave processes idle long after Redis is back.
    runRetryDelay: 1_000,
  })
  // While Redis is away every poll fails; that it is away, its connection says once.
  worker.on('error', (err) => logger[redis.status === 'ready' ? 'warn' : 'debug']({ err }, 'execution worker'))
  worker.on('failed', (job, error) => {
    if (job === undefined) return
    const { executionId } = job.data
    const isFinal = job.finishedOn !== undefined
    logger.error({ err: error, executionId, isFinal }, 'an asynchronous execution met a fault')
    if (!isFinal) return
    giveUp(executionId).catch((err: unknown) => logger.error({ err, executionId }, 'its end could not be written'))
  })
  worker.on('stalled', (jobId) => logger.warn({ jobId }, 'execution taken back from a gateway that went silent'))
  worker.on('lockRenewalFailed', (jobIds: string[]) => jobIds.forEach((jobId) => worker.cancelJob(jobId)))

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
