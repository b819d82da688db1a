import { z } from 'zod'
import { shared } from './shared-fields.ts'

const GRAMMAR_ROOTS = [
  'root',
  'fcall',
  'nofcall',
  'insidevalue',
  'value',
  'object',
  'array',
  'string',
  'number',
  'funcarray',
  'func',
  'ws',
] as const

const tokens = z.array(z.int().min(0))

/** Body of POST /v1/completions: OpenAPI 0.2.0. It has no `max_completion_tokens`. */
export const textRequest = z.strictObject({
  ...shared,
  prompt: z.union([z.string(), z.array(z.string()).min(1), tokens.min(1), z.array(tokens).min(1)]),
  best_of: z.int().min(0).max(20).nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  suffix: z.string().nullish(),
  return_raw_tokens: z.boolean().nullish(),
  grammar_root: z.enum(GRAMMAR_ROOTS).nullish(),
  reasoning_format: z.enum(['none', 'parsed', 'text_parsed', 'raw', 'hidden']).nullish(),
})
export type TextRequest = z.infer<typeof textRequest>
