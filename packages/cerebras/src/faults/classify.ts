import { readRateFacts } from '../rate/facts.ts'
import { type FaultBody, readFaultBody } from './body.ts'
import { type ReplyHeaders, retryHint, windowOf } from './retry-hint.ts'
import { faultRow, LIMIT_CODES } from './table.ts'
import { type FaultKind, UpstreamFault } from './upstream-fault.ts'

/** The fault of an error reply of the upstream. */
export function faultOfReply(status: number, headers: ReplyHeaders, body: string, wallNow: number): UpstreamFault {
  return faultOf(status, readFaultBody(body), headers, wallNow)
}

/** The fault of an error inside a stream that had begun with 200. */
export function faultOfChunk(body: FaultBody): UpstreamFault {
  const status = body.statusCode ?? (body.code !== null && LIMIT_CODES.has(body.code) ? 429 : 500)
  return faultOf(status, body, {}, 0)
}

function faultOf(status: number, body: FaultBody, headers: ReplyHeaders, wallNow: number): UpstreamFault {
  const row = faultRow(status, body.code, body.message)
  const { afterMs, ordered } = retryHint(headers, row.hint, body.message, wallNow)
  const cause = new Error(`the upstream answered ${status}${body.message === null ? '' : `: ${body.message}`}`)
  // What is wrong with our credentials or origin concerns the operator, not the client.
  const own = row.fault === 'LG_UPSTREAM_AUTH' && row.answer !== 'same'
  const emptied = row.hint === 'requests' || row.hint === 'tokens'
  const facts = {
    kind: row.kind,
    window: emptied ? windowOf(body.message) : null,
    rate: readRateFacts(headers),
    ordered,
  }
  return new UpstreamFault(row.fault, facts, {
    cause,
    status: row.answer === 'same' ? status : row.answer,
    ...(own ? {} : told(body)),
    ...(afterMs === null ? {} : { retryAfterMs: afterMs }),
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
export function faultOfTransport(error: Error, headSeen: boolean): UpstreamFault {
  if (headSeen) return new UpstreamFault('LG_UPSTREAM_TRUNCATED', { kind: 'cut' }, { cause: error })
  // undici's name for an answer that is not HTTP.
  return error.name === 'HTTPParserError'
    ? new UpstreamFault('LG_UPSTREAM_ERROR', { kind: 'failing' }, { cause: error })
    : new UpstreamFault('LG_UPSTREAM_UNREACHABLE', { kind: 'unreachable' }, { cause: error })
}

/** The fault of a call that took longer than one of its limits. */
export function faultOfTimeout(kind: FaultKind, phase: string, ms: number): UpstreamFault {
  return new UpstreamFault(
    'LG_UPSTREAM_TIMEOUT',
    { kind },
    { message: `The upstream took too long: ${phase} over ${ms} ms` },
  )
}
