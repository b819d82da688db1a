import type { JobsOptions } from 'bullmq'
import { z } from 'zod'
import { RETRIES } from './queues.ts'

/** Asynchronous executions: one job each, until it has ended. */
export const EXECUTION_QUEUE = 'executions'

/** Job data lies in Redis in clear text: an id and nothing else. What is to be run lies with its record. */
export const executionJobSchema = z.strictObject({ executionId: z.string().min(1).max(100) })
export type ExecutionJob = z.infer<typeof executionJobSchema>

/** That no runner is free is no fault, and uses up no attempt. */
export const executionJobOptions = (executionId: string): JobsOptions => ({
  deduplication: { id: executionId },
  ...RETRIES,
})
