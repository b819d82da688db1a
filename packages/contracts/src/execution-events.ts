import { z } from 'zod'
import { executionResultSchema } from './execution.ts'
import { problemSchema } from './problem.ts'
import { outputStreamSchema } from './runner-frames.ts'

const seq = z.int().min(1).describe('Counts the events of the stream from 1, without gaps')

/** `POST /api/executions` with `accept: text/event-stream`: what happens to one execution. */
export const executionEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('start'),
    seq,
    id: z.string(),
    runnerId: z.string(),
    attempt: z.int().describe('2 if the first runner was lost: forget what came before'),
  }),
  z.object({
    type: z.literal('data'),
    seq,
    stream: outputStreamSchema,
    text: z.string(),
    skippedBytes: z.int().describe('Bytes left out before it, because somebody on the way did not keep up'),
  }),
  z.object({ type: z.literal('end'), seq, result: executionResultSchema }),
  z.object({ type: z.literal('error'), seq, error: problemSchema }),
])
export type ExecutionEvent = z.infer<typeof executionEventSchema>

/** Most executions of one batch. */
export const BATCH_MAX = 1_000

/**
 * `POST /api/executions/batch`. Each is checked by itself, so that one that is not valid costs the
 * others nothing.
 */
export const executionBatchSchema = z.strictObject({
  executions: z
    .array(z.record(z.string(), z.unknown()))
    .min(1)
    .max(BATCH_MAX)
    .describe('Requests as for POST /api/executions'),
})

/** A line of the reply to a batch: items as they end, whatever their order, and the end when all have come. */
export const batchEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('item'),
    index: z.int().describe('Place in the batch'),
    result: executionResultSchema.optional(),
    error: problemSchema.optional().describe('Instead of a result'),
  }),
  z.object({ type: z.literal('end'), count: z.int() }),
])
export type BatchEvent = z.infer<typeof batchEventSchema>
