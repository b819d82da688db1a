import type { JobsOptions } from 'bullmq'
import { z } from 'zod'

/** Asynchronous executions: one job each, until it has ended. */
export const EXECUTION_QUEUE = 'executions'

/** Job data lies in Redis in clear text: an id and nothing else. What is to be run lies with its record. */
export const executionJobSchema = z.strictObject({ executionId: z.string().min(1).max(100) })
export type ExecutionJob = z.infer<typeof executionJobSchema>

/**
 * For faults of the gateway itself; that no runner is free is none and uses up no attempt. 1, 2, 4 ...
 * seconds, each drawn between zero and that. Ended jobs are removed at once: their truth is the record.
 */
export const executionJobOptions = (executionId: string): JobsOptions => ({
  deduplication: { id: executionId },
  attempts: 6,
  backoff: { type: 'exponential', delay: 1_000, jitter: 1 },
  removeOnComplete: true,
  removeOnFail: true,
})
