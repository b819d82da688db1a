import { type ErrorCode, type FaultOptions, LoopgateError } from '@loopgate/service-kit'
import type { RateFacts, RateWindow } from '../rate/facts.ts'

/** Every way in which a call fails, as far as the remedies differ. */
export type FaultKind =
  /** The request is at fault, or what it asks for is not there. */
  | 'refused'
  /** What answers there is not the API that was configured. */
  | 'misrouted'
  /** The key is unknown. */
  | 'key_refused'
  /** Forbidden: the key, the model, or the place it is called from. */
  | 'forbidden'
  /** The organisation has to pay. */
  | 'unpaid'
  | 'requests_exhausted'
  | 'tokens_exhausted'
  /** The upstream itself is busy, whoever asks. */
  | 'congested'
  /** A complex answer schema was given up on; once more usually helps. */
  | 'schema_timeout'
  /** Any error of the upstream's own. */
  | 'failing'
  /** No connection, or one that broke before any byte of the reply. */
  | 'unreachable'
  /** Connected, but no reply in time. */
  | 'silent'
  /** The whole call took longer than a call may. */
  | 'overlong'
  /** The reply broke off. */
  | 'cut'
  /** Not called at all: it has failed too often lately. */
  | 'breaker_open'

export type UpstreamFaultFacts = {
  readonly kind: FaultKind
  /** The window of the bucket that is empty; null where no bucket is. */
  readonly window?: RateWindow | null
  readonly rate?: RateFacts | null
  /** The reply itself told to stay away for the time of `retryAfterMs`. */
  readonly ordered?: boolean
}

/** A failed call of an upstream: what the client is told, and what the remedies need to know. */
export class UpstreamFault extends LoopgateError {
  readonly kind: FaultKind
  readonly window: RateWindow | null
  readonly rate: RateFacts | null
  readonly ordered: boolean
  /** Names of the upstream and the organisation that were called; never a key. */
  upstream: string | null = null
  organisation: string | null = null
  /** There is another key that may be called. */
  elsewhere = false

  constructor(code: ErrorCode, facts: UpstreamFaultFacts, options: FaultOptions = {}) {
    super(code, options)
    const { kind, window = null, rate = null, ordered = false } = facts
    this.kind = kind
    this.window = window
    this.rate = rate
    this.ordered = ordered
  }
}
