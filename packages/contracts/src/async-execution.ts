import { z } from 'zod'
import { executionResultSchema } from './execution.ts'
import { problemSchema } from './problem.ts'

/** `ended` has a result, whatever its outcome; `failed` has none, and says why in `error`. */
export const asyncStateSchema = z.enum(['queued', 'running', 'ended', 'failed', 'cancelled'])
export type AsyncState = z.infer<typeof asyncStateSchema>

/** `GET /api/executions/{id}`: an execution that was asked for with `prefer: respond-async`. */
export const asyncExecutionSchema = z.object({
  id: z.string(),
  state: asyncStateSchema,
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable().describe('When a runner last began it'),
  endedAt: z.iso.datetime().nullable(),
  result: executionResultSchema.nullable(),
  error: problemSchema.nullable(),
})
export type AsyncExecution = z.infer<typeof asyncExecutionSchema>
