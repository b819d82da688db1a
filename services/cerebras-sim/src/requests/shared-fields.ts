import { z } from 'zod'

/** A string, or parts that are all text. */
export const textParts = z.union([z.string(), z.array(z.strictObject({ type: z.literal('text'), text: z.string() }))])

/** Fields that both completion bodies have (OpenAPI 0.2.0, read 2026-11). */
export const shared = {
  model: z.string(),
  max_tokens: z.int().min(-1).nullish(),
  min_tokens: z.int().min(-1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  n: z.int().min(1).nullish(),
  // Any whole number, also one beyond 2^53.
  seed: z.number().refine(Number.isInteger, 'Input should be a valid integer').nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  prompt_cache_key: z.string().max(1024).nullish(),
  user: z.string().nullish(),
}
