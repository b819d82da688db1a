import { problemSchema } from '@loopgate/contracts'
import { ERRORS, type ErrorCode } from '@loopgate/service-kit'
import { z } from 'zod'

/** How a route that needs a key says so in the OpenAPI document. */
export const NEEDS_KEY: ReadonlyArray<Record<string, string[]>> = [{ bearer: [] }, { apiKey: [] }]

/** How a route refuses a caller whom it does not know, or who may not do this. */
export const KEY_REFUSED = ['LG_NO_KEY', 'LG_WRONG_KEY', 'LG_FORBIDDEN'] as const satisfies readonly ErrorCode[]
/** How a route refuses a body. */
export const BODY_REFUSED = [
  'LG_BAD_REQUEST',
  'LG_BAD_JSON',
  'LG_TOO_LARGE',
  'LG_MEDIA_TYPE',
] as const satisfies readonly ErrorCode[]

const openaiMembers = {
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
}
/** Error body of `/v1`: the members nested and at the top level. */
export const openaiErrorSchema = z.object({ error: z.object(openaiMembers), ...openaiMembers })

type ErrorReply = { description: string; content: Record<string, { schema: z.ZodType }> }

/** The error replies of a route of `/api`, for its `response` schema. */
export function problems(...codes: ErrorCode[]): Record<number, ErrorReply> {
  return replies(codes, 'application/problem+json', problemSchema)
}

/** The error replies of a route of `/v1`, for its `response` schema. */
export function openaiErrors(...codes: ErrorCode[]): Record<number, ErrorReply> {
  return replies(codes, 'application/json', openaiErrorSchema)
}

function replies(codes: readonly ErrorCode[], contentType: string, schema: z.ZodType): Record<number, ErrorReply> {
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      status,
      {
        description: same.map((code) => `${code}: ${ERRORS[code].message}`).join('; '),
        content: { [contentType]: { schema } },
      },
    ]),
  )
}
