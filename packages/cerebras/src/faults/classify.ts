import { fault, type LoopgateError } from '@loopgate/service-kit'
import { type FaultBody, readFaultBody } from './body.ts'
import { retryAfterMs, type ReplyHeaders } from './retry-hint.ts'
import { faultRow, LIMIT_CODES } from './table.ts'

/** The fault of an error reply of the upstream. */
export function faultOfReply(status: number, headers: ReplyHeaders, body: string, wallNow: number): LoopgateError {
  return faultOf(status, readFaultBody(body), headers, wallNow)
}

/** The fault of an error inside a stream that had begun with 200. */
export function faultOfChunk(body: FaultBody): LoopgateError {
  const status = body.statusCode ?? (body.code !== null && LIMIT_CODES.has(body.code) ? 429 : 500)
  return faultOf(status, body, {}, 0)
}

function faultOf(status: number, body: FaultBody, headers: ReplyHeaders, wallNow: number): LoopgateError {
  const row = faultRow(status, body.code)
  const waitMs = retryAfterMs(headers, row.hint, body.message, wallNow)
  const cause = new Error(`the upstream answered ${status}${body.message === null ? '' : `: ${body.message}`}`)
  // What is wrong with our credentials or origin concerns the operator, not the client.
  const own = row.fault === 'LG_UPSTREAM_AUTH' && row.answer !== 'same'
  return fault(row.fault, {
    cause,
    status: row.answer === 'same' ? status : row.answer,
    ...(own ? {} : told(body)),
    ...(waitMs === null ? {} : { retryAfterMs: waitMs }),
    ...(row.final && { retryable: false }),
  })
}

function told({ message, type, param, code }: FaultBody) {
  return {
    ...(message === null ? {} : { message }),
    ...(type === null ? {} : { type }),
    ...(param === null ? {} : { param }),
    ...(code === null ? {} : { openaiCode: code }),
  }
}

/** Codes of undici and Node that mean that a connection broke. */
const RESET_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

export function isReset(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && RESET_CODES.has(error.code)
}

/** The fault of a call that ended without a whole reply. */
export function faultOfTransport(error: Error, headSeen: boolean): LoopgateError {
  if (headSeen) return fault('LG_UPSTREAM_TRUNCATED', { cause: error })
  // undici's name for an answer that is not HTTP.
  const answered = error.name === 'HTTPParserError'
  return fault(answered ? 'LG_UPSTREAM_ERROR' : 'LG_UPSTREAM_UNREACHABLE', { cause: error })
}
