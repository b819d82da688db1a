import type { ForwardedHeaders } from '@loopgate/cerebras'
import type { CacheOutcome, Priority, Surface } from '@loopgate/contracts'
import type { Cost } from './pipeline/account.ts'

/** What a caller says about reuse: the directives of `cache-control` on a request. */
export type Freshness = {
  readonly noStore: boolean
  readonly noCache: boolean
  readonly maxAgeSeconds: number | null
}

/** What a caller says about what is shared, and with whom. */
export type Sharing = {
  /** Instead of a named sample: one of those stored, one that passed, or one that nobody has had. */
  readonly choose: 'any' | 'best' | 'new' | null
  /** `shared` with other tenants counts only where the operator allows it. */
  readonly scope: 'tenant' | 'shared'
  /** How long the answer is kept; the installation's time to live is the bound. */
  readonly ttlSeconds: number | null
  /** An answer that ended by its length is kept too. */
  readonly keepsLength: boolean
  /** Makes the call shareable with its own repetitions, whatever it asks for. */
  readonly idempotencyKey: string | null
}

/** How a caller wants a stream. */
export type Delivery = {
  /** Events carry ids of the form `key:number:mark`. */
  readonly resumable: boolean
  /** Only what comes after this event, and only of the generation with this mark. */
  readonly resume: ResumePoint | null
  /** Pace of a replay; null for as fast as the caller reads. */
  readonly eventsPerSecond: number | null
}

export type ResumePoint = { readonly key: string; readonly after: number; readonly mark: string | null }

/** How a call is let through to the upstream when there is not room for all. */
export type Scheduling = {
  readonly priority: Priority
  /** The loop, else the API key: among flows of a tenant the room is shared alike. */
  readonly flow: string
  /** The API key, by a name that is no secret. */
  readonly key: string
  /** How long it may wait; null for as long as the operator allows. */
  readonly deadlineMs: number | null
  /** Whether a learnt cap may be put on its output. */
  readonly capsOutput: boolean
}

/** A completion request, validated and normalised. */
export type GenerationCall = {
  readonly surface: Surface
  readonly tenant: string
  readonly body: Readonly<Record<string, unknown>>
  /**
   * The bytes that `body` was read from, with their SHA-256 in base64, if nothing of it was changed;
   * they go upstream as they are.
   */
  readonly original: { readonly bytes: Buffer; readonly digest: string } | null
  /** The sample that the caller named, or null. */
  readonly sampleIndex: number | null
  readonly freshness: Freshness
  readonly headers: ForwardedHeaders
  /** By default nothing is wished. */
  readonly sharing?: Sharing
  readonly delivery?: Delivery
  readonly scheduling?: Scheduling
  /** The caller's own time limit in whole seconds: one that leaves when it is over comes again. */
  readonly timeoutSeconds?: number | null
  /** Told once, however the call ends, what it has cost: nothing if its answer was stored or another's. */
  readonly settled?: (cost: Cost) => void
}

/** Where the bytes of a stream go; Node's writable streams fit. */
export type Sink = {
  /** False asks for a pause until `drain`. */
  readonly write: (bytes: Buffer) => boolean
  readonly end: () => unknown
  readonly destroy: () => unknown
  readonly on: (event: 'drain', listener: () => void) => unknown
}

/** An answer that has begun. */
export type Generation = {
  readonly outcome: CacheOutcome
  /** Whether this caller called the upstream, shared another's call, or neither. */
  readonly role: 'leader' | 'follower' | 'none'
  /** Null for what is never shared. */
  readonly key: string | null
  readonly sampleIndex: number | null
  /** The name of the upstream that has answered, now or when it was stored. */
  readonly upstream: string
  /** How long ago a stored answer was given, in whole seconds; null if it is not a stored one. */
  readonly ageSeconds: number | null
  /** Upstream calls made for this caller. */
  readonly attempts: number
  readonly queueMs: number
  /** The wait for room that was expected when it was asked for; null if there was room. */
  readonly expectedWaitMs: number | null
  readonly upstreamMs: number
  /** Headers of the upstream that concern this caller. */
  readonly headers: Readonly<Record<string, string>>
  /**
   * In the shape that the caller asked for: one document, or a stream to be piped once; `pipe` says
   * whether something was written at once.
   */
  readonly content:
    | { readonly kind: 'document'; readonly bytes: Buffer }
    | { readonly kind: 'stream'; readonly pipe: (sink: Sink) => boolean }
}

/** One caller's place in a generation. */
export type Ticket = {
  /** Rejects with a LoopgateError if there is no answer. Once it has resolved, faults are told in band. */
  readonly ready: Promise<Generation>
  /** The caller has gone. The upstream call is given up with the last one. */
  readonly leave: () => void
}
