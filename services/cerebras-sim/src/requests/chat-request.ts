import { z } from 'zod'
import { message } from './messages.ts'
import { shared, textParts } from './shared-fields.ts'

const tool = z.strictObject({
  type: z.string(),
  function: z.strictObject({
    name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'Input should match [A-Za-z0-9_-], 1 to 64 characters'),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().optional(),
  }),
})

const responseFormat = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string(),
      description: z.string().nullish(),
      schema: z.record(z.string(), z.unknown()).nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
])

/** Body of POST /v1/chat/completions: OpenAPI 0.2.0. Null is taken for every optional field but one. */
export const chatRequest = z.strictObject({
  ...shared,
  messages: z.array(message).min(1),
  max_completion_tokens: z.int().min(-1).nullish(),
  min_completion_tokens: z.int().min(-1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: responseFormat.nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.strictObject({ type: z.string(), function: z.strictObject({ name: z.string() }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  reasoning_effort: z.enum(['none', 'low', 'medium', 'high']).nullish(),
  // The one optional field that may not be null.
  reasoning_format: z.enum(['none', 'parsed', 'text_parsed', 'raw', 'hidden']).optional(),
  disable_reasoning: z.boolean().nullish(),
  clear_thinking: z.boolean().nullish(),
  prediction: z.strictObject({ type: z.literal('content'), content: textParts }).nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'priority']).nullish(),
  model_parameters: z.record(z.string(), z.unknown()).nullish(),
})
export type ChatRequest = z.infer<typeof chatRequest>
