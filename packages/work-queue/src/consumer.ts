import type { Clock, Logger } from '@loopgate/service-kit'
import { DelayedError, Worker, type Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { withDeadline } from './deadline.ts'
import { MAX_STALLED_COUNT, queuePrefix, SLICE_QUEUE, sliceJobSchema, type SliceJob } from './slices.ts'

/** `done`: the loop has nothing more to run. `yield`: it goes to the back of the queue. */
export type SliceEnd = 'done' | 'yield'

export type SliceRun = {
  readonly loopId: string
  /** Whether BullMQ gives the job up if this run throws. */
  readonly lastAttempt: boolean
  /** Aborted when the lock of the job was lost: another worker may be running the loop. */
  readonly lost: AbortSignal
}

export type SliceConsumer = {
  /** Resolves once the worker waits for jobs. */
  readonly ready: () => Promise<void>
  /**
   * Takes no further jobs and waits for those running, at most `deadlineMs`. The process is then
   * expected to exit: its locks lapse and other workers take over what still ran.
   */
  readonly close: (deadlineMs: number) => Promise<void>
}

export type ConsumerOptions = {
  readonly keyPrefix: string
  /** Slices run at once. */
  readonly concurrency: number
  /** How long a dead worker keeps a job: lock duration, and half of it the interval of the check. */
  readonly stallMs: number
  readonly handle: (run: SliceRun) => Promise<SliceEnd>
}

/** Runs slices. `redis` is a `worker` connection; BullMQ opens a second one like it; the first is not closed here. */
export function createSliceConsumer(
  { redis, logger, clock }: { readonly redis: Redis; readonly logger: Logger; readonly clock: Clock },
  { keyPrefix, concurrency, stallMs, handle }: ConsumerOptions,
): SliceConsumer {
  // The third parameter must be there, or BullMQ makes no signal.
  const process = async (job: Job<SliceJob>, token: string | undefined, signal?: AbortSignal): Promise<void> => {
    const { loopId } = sliceJobSchema.parse(job.data)
    const end = await handle({
      loopId,
      lastAttempt: job.attemptsMade + 1 >= (job.opts.attempts ?? 1),
      lost: signal ?? new AbortController().signal,
    })
    if (end === 'done') return
    // Through the delayed set, since BullMQ's way straight back puts a job before those that wait.
    await job.moveToDelayed(Date.now(), token)
    throw new DelayedError()
  }

  const worker = new Worker<SliceJob, void>(SLICE_QUEUE, process, {
    connection: redis,
    prefix: queuePrefix(keyPrefix),
    concurrency,
    lockDuration: stallMs,
    stalledInterval: Math.ceil(stallMs / 2),
    maxStalledCount: MAX_STALLED_COUNT,
    // After a lost connection; BullMQ's 15 s would leave workers idle long after Redis is back.
    runRetryDelay: 1_000,
  })
  // While Redis is away every poll fails; that it is away, its connection says once.
  worker.on('error', (err) => logger[redis.status === 'ready' ? 'warn' : 'debug']({ err }, 'slice worker'))
  worker.on('failed', (job, error) => logger.error({ err: error, loopId: job?.data.loopId }, 'slice failed'))
  worker.on('stalled', (jobId) => logger.warn({ jobId }, 'slice taken back from a worker that went silent'))
  worker.on('lockRenewalFailed', (jobIds: string[]) => jobIds.forEach((jobId) => worker.cancelJob(jobId)))

  return {
    ready: async () => {
      await worker.waitUntilReady()
    },
    close: async (deadlineMs) => {
      // With Redis away BullMQ's close never settles (taskforcesh/bullmq#4656).
      if (await withDeadline(clock, worker.close(), deadlineMs)) return
      logger.warn({ deadlineMs }, 'slices did not end in time; other workers will take them over')
    },
  }
}
