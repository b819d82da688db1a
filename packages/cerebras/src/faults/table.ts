import type { ErrorCode } from '@loopgate/service-kit'
import type { FaultKind } from './upstream-fault.ts'

/** Where the time to wait comes from when the upstream does not say it in `retry-after`. */
export type Hint = 'none' | 'requests' | 'tokens' | 'queue'

type Row = {
  readonly from: number
  readonly to: number
  /** Only replies with this code; absent: all of the range. */
  readonly code?: string
  /** Only replies with a message that this finds. */
  readonly says?: RegExp
  readonly fault: ErrorCode
  readonly kind: FaultKind
  /** Status for our client: a number, or the upstream's own. */
  readonly answer: number | 'same'
  readonly hint: Hint
  /** The same request will meet it again, whatever the table of errors says of its kind. */
  readonly final?: true
}

const row = (
  from: number,
  to: number,
  kind: FaultKind,
  fault: ErrorCode,
  answer: number | 'same',
  hint: Hint = 'none',
): Row => ({ from, to, kind, fault, answer, hint })

const limited = (code: string, kind: FaultKind, hint: Hint): Row => ({
  ...row(429, 429, kind, 'LG_RATE_LIMITED', 429, hint),
  code,
})

/**
 * Every way in which the upstream says no, and what our client is told; the first row that fits
 * counts. A fault of our own credentials or wiring is never shown as the client's. Source: Cerebras
 * API reference "Errors", statuses recorded from the live API up to 2026-09.
 */
const FAULTS: readonly Row[] = [
  // A redirect is never followed: our key and the prompt go to the configured origin alone.
  { ...row(300, 399, 'misrouted', 'LG_UPSTREAM_ERROR', 502), final: true },
  row(400, 400, 'refused', 'LG_BAD_REQUEST', 'same'),
  row(401, 401, 'key_refused', 'LG_UPSTREAM_AUTH', 502),
  // 402 keeps its status: clients repeat a 5xx, and paying is not mended by repeating.
  row(402, 402, 'unpaid', 'LG_UPSTREAM_AUTH', 'same'),
  row(403, 403, 'forbidden', 'LG_UPSTREAM_AUTH', 502),
  { ...row(404, 404, 'refused', 'LG_MODEL_NOT_FOUND', 'same'), code: 'model_not_found' },
  // Any other 404 is an unrouted path: the configured origin is not the Cerebras API.
  { ...row(404, 404, 'misrouted', 'LG_UPSTREAM_ERROR', 502), final: true },
  row(408, 408, 'failing', 'LG_UPSTREAM_TIMEOUT', 504),
  row(409, 409, 'failing', 'LG_UPSTREAM_ERROR', 502),
  row(413, 413, 'refused', 'LG_TOO_LARGE', 'same'),
  // "Timed out while updating the structured output state machine": passes (recorded in a third party's test).
  { ...row(422, 422, 'schema_timeout', 'LG_BAD_REQUEST', 'same'), says: /timed out/i },
  limited('request_quota_exceeded', 'requests_exhausted', 'requests'),
  limited('token_quota_exceeded', 'tokens_exhausted', 'tokens'),
  limited('queue_exceeded', 'congested', 'queue'),
  row(429, 429, 'congested', 'LG_RATE_LIMITED', 'same', 'queue'),
  row(405, 499, 'refused', 'LG_BAD_REQUEST', 'same'),
  row(503, 503, 'failing', 'LG_UPSTREAM_ERROR', 'same'),
  row(504, 504, 'failing', 'LG_UPSTREAM_TIMEOUT', 504),
  row(0, 999, 'failing', 'LG_UPSTREAM_ERROR', 502),
]

/** The codes that a 429 is told apart by; inside a stream they stand without a status. */
export const LIMIT_CODES: ReadonlySet<string> = new Set(
  FAULTS.flatMap((row) => (row.from === 429 && row.code !== undefined ? [row.code] : [])),
)

const LAST = row(0, 999, 'failing', 'LG_UPSTREAM_ERROR', 502)

/** The row for a status, code and message of the upstream. */
export function faultRow(status: number, code: string | null, message: string | null): Row {
  return (
    FAULTS.find(
      (row) =>
        status >= row.from &&
        status <= row.to &&
        (row.code === undefined || row.code === code) &&
        (row.says === undefined || row.says.test(message ?? '')),
    ) ?? LAST
  )
}
