import type { Logger } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { openQueue } from './queues.ts'
import { reachable } from './reachable.ts'
import { SLICE_QUEUE, sliceJobOptions, sliceJobSchema, type SliceJob } from './slices.ts'

export type SliceProducer = {
  /**
   * Puts the loop in the queue unless it waits there; if it is running, it runs once more afterwards.
   * May be called by anyone, any number of times. @throws LG_STORE_UNAVAILABLE; the loop is then enqueued later by the sweeper
   */
  readonly enqueue: (loopId: string) => Promise<void>
  /** Loops that wait for a worker, and slices that run: what to scale workers by. */
  readonly depth: () => Promise<{ readonly waiting: number; readonly active: number }>
  readonly close: () => Promise<void>
}

/** Fills the queue of slices. `redis` is a `fail-fast` connection; it is not closed here. */
export function createSliceProducer(
  { redis, logger }: { readonly redis: Redis; readonly logger: Logger },
  { keyPrefix }: { readonly keyPrefix: string },
): SliceProducer {
  const queue = openQueue<SliceJob>(SLICE_QUEUE, 'slice', { redis, logger }, keyPrefix)

  return {
    enqueue: async (loopId) => {
      const job = sliceJobSchema.parse({ loopId })
      await reachable(redis, () => queue.add('slice', job, sliceJobOptions(loopId)))
    },
    depth: () =>
      reachable(redis, async () => {
        const counts = await queue.getJobCounts('waiting', 'delayed', 'active')
        return { waiting: (counts['waiting'] ?? 0) + (counts['delayed'] ?? 0), active: counts['active'] ?? 0 }
      }),
    close: () => queue.close(),
  }
}
