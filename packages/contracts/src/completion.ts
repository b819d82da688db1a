import { z } from 'zod'

/**
 * Bodies of `/v1/chat/completions` and `/v1/completions` as far as Loopgate looks at them.
 * Loose on purpose: fields it has never heard of pass through and belong to the key.
 * Source of bounds: Cerebras OpenAPI 0.2.0, read 2026-11.
 */
const nullableInt = z.int().min(-1).nullish()

const shared = {
  model: z.string().min(1).max(200),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: nullableInt,
  n: z.int().min(1).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  user: z.string().nullish(),
}

export const messageSchema = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() })), z.null()]).optional(),
})

export const chatCompletionRequestSchema = z.looseObject({
  ...shared,
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: nullableInt,
})
export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>

export const textCompletionRequestSchema = z.looseObject({
  ...shared,
  prompt: z.union([z.string(), z.array(z.string()).min(1), z.array(z.int()).min(1), z.array(z.array(z.int())).min(1)]),
})
export type TextCompletionRequest = z.infer<typeof textCompletionRequestSchema>

/** Which route a generation came through; part of the key. */
export type Surface = 'chat' | 'text'

export const usageSchema = z.looseObject({
  prompt_tokens: z.int().default(0),
  completion_tokens: z.int().default(0),
  total_tokens: z.int().default(0),
})
export type Usage = z.infer<typeof usageSchema>
