import type { JobsOptions } from 'bullmq'
import { z } from 'zod'
import { RETRIES } from './queues.ts'

/** Slices of loops: one job a loop for as long as the loop has something to run. */
export const SLICE_QUEUE = 'loop-slices'

/** Job data lies in Redis in clear text: an id and nothing else, never a key or a prompt. */
export const sliceJobSchema = z.strictObject({ loopId: z.string().min(1).max(100) })
export type SliceJob = z.infer<typeof sliceJobSchema>

/**
 * A loop has one job at most that waits or runs. Adding it while it waits changes nothing; while it
 * runs, it is run once more afterwards: whoever resumes or cancels a loop just as its slice ends
 * cannot fall between. Job ids are BullMQ's own, since an existing id swallows an add without a
 * word. Finished jobs are removed at once: the loop's truth is not here.
 */
export const sliceJobOptions = (loopId: string): JobsOptions => ({
  deduplication: { id: loopId, keepLastIfActive: true },
  ...RETRIES,
})
