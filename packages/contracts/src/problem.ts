import { z } from 'zod'

/** Error body of `/api` (RFC 9457, application/problem+json). `instance` is the request id. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string(),
  retryable: z.boolean(),
  errors: z
    .array(z.object({ path: z.string(), expected: z.string() }))
    .optional()
    .describe('For a refused body: each field and what was expected of it'),
})
export type Problem = z.infer<typeof problemSchema>

/**
 * Error body of `/v1`. The members stand nested (as openai reads them) and at the top level
 * (as the Cerebras SDK and its AI-SDK provider read them): with both, every client shows the text.
 */
export type OpenAIErrorBody = {
  error: { message: string; type: string; param: string | null; code: string | null }
  message: string
  type: string
  param: string | null
  code: string | null
}
