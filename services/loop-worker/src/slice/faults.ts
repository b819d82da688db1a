import { ApiError } from '@loopgate/client'
import type { Fault } from '@loopgate/loop-engine'

const MAX_REASON_CHARS = 500
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 15_000

/**
 * The fault, with a metric label, that an error of the gateway is. Refusals of the request itself (4xx) are final.
 * Rate limits, faults of upstream, gateway or network, and a key that is refused (401, 403) may
 * pass: the last is the operator's to mend, and no reason to end a loop for good.
 * @throws the error itself if it is none of the gateway's: then it is a bug
 */
export function faultOf(error: unknown): Fault & { readonly label: string } {
  if (!(error instanceof ApiError)) throw error
  const { status, code, message, retryable, retryAfterMs } = error
  const passing = retryable || status === 0 || status >= 500 || status === 401 || status === 403 || code === 'bad_reply'
  return { label: labelOf(error), reason: message.slice(0, MAX_REASON_CHARS), final: !passing, retryAfterMs }
}

/** Codes of our own tables are few; a code that an upstream made up must not become a series. */
const labelOf = ({ status, code }: ApiError): string =>
  code.startsWith('LG_') || status === 0 || code === 'bad_reply' || code === 'internal_error' ? code : `http_${status}`

/**
 * Milliseconds to wait before try `attempt`, none before the first: 1, 2, 4 ... seconds, of which
 * the upper half is drawn, so that loops which failed together do not return together. Five tries
 * span 7 to 15 seconds: a restart of the gateway.
 */
export function delayBefore(attempt: number, retryAfterMs: number | null, random: () => number): number {
  if (attempt <= 1) return 0
  const fullMs = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 2), MAX_DELAY_MS)
  return Math.max(retryAfterMs ?? 0, fullMs / 2) + (random() * fullMs) / 2
}
