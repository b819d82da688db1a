import type { JobsOptions } from 'bullmq'
import { z } from 'zod'

/** Slices of loops: one job a loop for as long as the loop has something to run. */
export const SLICE_QUEUE = 'loop-slices'

/** Job data lies in Redis in clear text: an id and nothing else, never a key or a prompt. */
export const sliceJobSchema = z.strictObject({ loopId: z.string().min(1).max(100) })
export type SliceJob = z.infer<typeof sliceJobSchema>

/**
 * What BullMQ does when a slice throws, which is for faults of the worker itself: faults of
 * upstream and sandbox are handled inside a slice. 1, 2, 4 ... seconds, each drawn between zero
 * and that, so that slices that failed together do not come back together.
 */
export const SLICE_ATTEMPTS = 6
export const SLICE_BACKOFF_MS = 1_000

/**
 * A loop has one job at most that waits or runs. Adding it while it waits changes nothing; while it
 * runs, it is run once more afterwards: whoever resumes or cancels a loop just as its slice ends
 * cannot fall between. Job ids are BullMQ's own, since an existing id swallows an add without a
 * word. Finished jobs are removed at once: the loop's truth is not here.
 */
export const sliceJobOptions = (loopId: string): JobsOptions => ({
  deduplication: { id: loopId, keepLastIfActive: true },
  attempts: SLICE_ATTEMPTS,
  backoff: { type: 'exponential', delay: SLICE_BACKOFF_MS, jitter: 1 },
  removeOnComplete: true,
  removeOnFail: true,
})

/** BullMQ's keys of one installation, in one slot of a cluster, as its scripts need. */
export const queuePrefix = (keyPrefix: string): string => `{${keyPrefix}-queue}`

/**
 * How often a job may be taken from a dead worker before BullMQ gives it up. Its default of 1 loses
 * a job after two hard restarts, and the count never goes down. Given-up loops come back by the
 * sweeper; a loop that kills its workers is told by the store's count of barren acquisitions.
 */
export const MAX_STALLED_COUNT = 20
