import type { Clock, Logger } from '@loopgate/service-kit'
import type { Job } from 'bullmq'
import type { Redis } from 'ioredis'
import { withDeadline } from './deadline.ts'
import { openWorker, type WorkerOptions } from './queues.ts'
import { SLICE_QUEUE, sliceJobSchema, type SliceJob } from './slices.ts'

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

export type ConsumerOptions = WorkerOptions & {
  readonly handle: (run: SliceRun) => Promise<SliceEnd>
}

const WORDS = { what: 'slice', stalled: 'slice taken back from a worker that went silent' } as const

/** Runs slices. `redis` is a `worker` connection; BullMQ opens a second one like it; the first is not closed here. */
export function createSliceConsumer(
  { redis, logger, clock }: { readonly redis: Redis; readonly logger: Logger; readonly clock: Clock },
  { handle, ...options }: ConsumerOptions,
): SliceConsumer {
  const run = async (job: Job<SliceJob>, lost: AbortSignal): Promise<number | null> => {
    const { loopId } = sliceJobSchema.parse(job.data)
    const end = await handle({ loopId, lastAttempt: job.attemptsMade + 1 >= (job.opts.attempts ?? 1), lost })
    return end === 'done' ? null : 0
  }
  const worker = openWorker(SLICE_QUEUE, WORDS, { redis, logger }, options, run)
  worker.on('failed', (job, error) => logger.error({ err: error, loopId: job?.data.loopId }, 'slice failed'))

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
