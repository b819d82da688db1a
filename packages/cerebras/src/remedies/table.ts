import { LoopgateError } from '@loopgate/service-kit'
import { type FaultKind, UpstreamFault } from '../faults/upstream-fault.ts'
import type { RateWindow } from '../rate/facts.ts'

/** What a failed call means, while nothing of an answer has reached its caller. */
export type Remedy = {
  /**
   * The request: it is made `again` after a backoff, out of the retry budget; it waits until its bucket
   * is `free`, which costs no retry; it goes `elsewhere`, to another key or organisation; or not at all.
   */
  readonly request: 'give_up' | 'again' | 'free' | 'elsewhere'
  /** Base of the backoff, in ms; 0 for at once. */
  readonly backoffMs: number
  /** What is left alone for a while: the organisation's bucket for this model, all of the organisation, or every organisation's. */
  readonly pauses: 'nothing' | 'bucket' | 'organisation' | 'all'
  /** For how long, in ms; 0 where nothing is. */
  readonly pauseMs: number
  /** For how long at most, in ms, where no call gets through after one pause and another; not below `pauseMs`. */
  readonly pauseAtMostMs: number
  /** The key: it works, it has failed once more, it is of no use, or nothing is known of it. */
  readonly key: 'works' | 'failed' | 'useless' | 'unknown'
  /** What the breaker of the upstream counts: an upstream that says no is one that answers. */
  readonly breaker: 'success' | 'failure' | 'neutral'
  /** Another upstream may answer: never, when it would come too late here, or as soon as nothing else is left here. */
  readonly fallback: 'never' | 'late' | 'left'
  /** The upstream has taken the call and counts its tokens, as far as is known. */
  readonly counted: boolean
}

const row = (
  request: Remedy['request'],
  backoffMs: number,
  pauses: Remedy['pauses'],
  key: Remedy['key'],
  breaker: Remedy['breaker'],
  fallback: Remedy['fallback'],
  counted: boolean,
): Omit<Remedy, 'pauseMs' | 'pauseAtMostMs'> => ({ request, backoffMs, pauses, key, breaker, fallback, counted })

/**
 * Every kind of failed call and what becomes of the request, of the organisation and its bucket, of the
 * key, of the other organisations and of the breaker. Statuses and texts are told apart in
 * faults/table.ts. Sources: Cerebras API reference, sections "Status table" and "Rate limits": an empty
 * bucket is one organisation's, congestion is everybody's, other keys of an organisation do not help.
 */
const REMEDIES: Readonly<Record<FaultKind, Omit<Remedy, 'pauseMs' | 'pauseAtMostMs'>>> = {
  //                      request      backoff  pauses          key        breaker    fallback counted
  refused: row('give_up', 0, 'nothing', 'works', 'success', 'never', false),
  misrouted: row('give_up', 0, 'nothing', 'unknown', 'failure', 'left', false),
  key_refused: row('elsewhere', 0, 'nothing', 'useless', 'neutral', 'left', false),
  forbidden: row('elsewhere', 0, 'nothing', 'failed', 'neutral', 'left', false),
  unpaid: row('elsewhere', 0, 'organisation', 'unknown', 'neutral', 'left', false),
  requests_exhausted: row('free', 0, 'bucket', 'works', 'success', 'late', false),
  tokens_exhausted: row('free', 0, 'bucket', 'works', 'success', 'late', false),
  congested: row('free', 500, 'all', 'works', 'success', 'late', false),
  schema_timeout: row('again', 0, 'nothing', 'works', 'success', 'never', true),
  failing: row('again', 200, 'nothing', 'failed', 'failure', 'left', true),
  unreachable: row('again', 100, 'nothing', 'unknown', 'failure', 'left', false),
  // Waiting as long once more would outlast most callers, and what was asked may still be worked on.
  silent: row('give_up', 0, 'nothing', 'unknown', 'failure', 'left', true),
  overlong: row('give_up', 0, 'nothing', 'unknown', 'neutral', 'never', true),
  cut: row('give_up', 0, 'nothing', 'unknown', 'failure', 'never', true),
  breaker_open: row('give_up', 0, 'nothing', 'unknown', 'neutral', 'left', false),
}

/**
 * How long a bucket is left alone at first where the upstream does not say. Buckets refill all the time,
 * so one has room again long before its window begins anew, which is all that the reply tells: it is
 * asked now and then, less and less often.
 */
const UNSAID_MS: Readonly<Record<RateWindow, number>> = { minute: 1000, hour: 60_000, day: 900_000 }
/** Congestion passes sooner or later, and nobody says when. */
const CONGESTED_AT_MOST_MS = 5000
/** How long an organisation that has to pay is left alone. */
const UNPAID_MS = 60_000

/** The remedy for an error of a call; what is no fault of an upstream is given up. */
export function remedyOf(error: LoopgateError): Remedy {
  if (!(error instanceof UpstreamFault)) return { ...REMEDIES.cut, breaker: 'neutral', pauseMs: 0, pauseAtMostMs: 0 }
  const found = REMEDIES[error.kind]
  const [pauseMs, pauseAtMostMs] = pauseOf(found.pauses, error)
  return { ...found, pauseMs, pauseAtMostMs }
}

function pauseOf(pauses: Remedy['pauses'], error: UpstreamFault): readonly [firstMs: number, atMostMs: number] {
  const { retryAfterMs, ordered, window } = error
  if (pauses === 'nothing') return [0, 0]
  if (ordered && retryAfterMs !== null) return [retryAfterMs, retryAfterMs]
  if (pauses === 'organisation') return [UNPAID_MS, UNPAID_MS]
  if (pauses === 'all') return [retryAfterMs ?? UNSAID_MS.minute, CONGESTED_AT_MOST_MS]
  const atMostMs = retryAfterMs ?? UNSAID_MS[window ?? 'minute']
  return [Math.min(UNSAID_MS[window ?? 'minute'], atMostMs), atMostMs]
}
