import type { CacheOutcome } from '@loopgate/contracts'
import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import { DocumentSeat } from '../flight/document-seat.ts'
import type { Flight } from '../flight/flight.ts'
import type { Flusher } from '../flight/flusher.ts'
import type { OwnedSeat, Owner } from '../flight/owner.ts'
import { StreamSeat } from '../flight/stream-seat.ts'
import type { Metrics } from '../metrics.ts'
import { asDocument, asStream } from '../shape/recording.ts'
import type { Generation, GenerationCall, Sink, Ticket } from '../types.ts'

export type Role = 'miss' | 'coalesced' | 'bypass'

export type CallerDeps = { readonly clock: Clock; readonly metrics: Metrics; readonly flusher: Flusher }

type Content = Generation['content']

/** One caller on its way through the stages: what it is told, and what is counted for it. */
export class Caller implements Ticket, Owner {
  readonly call: GenerationCall
  readonly ready: Promise<Generation>
  readonly includeUsage: boolean
  left = false
  readonly #deps: CallerDeps
  readonly #beganAt: number
  readonly #resolve: (generation: Generation) => void
  readonly #reject: (error: unknown) => void
  #key: string | null = null
  #sampleIndex: number | null
  #flight: Flight | null = null
  #seat: OwnedSeat | null = null
  #role: Role = 'bypass'
  #given = false

  constructor(deps: CallerDeps, call: GenerationCall) {
    this.#deps = deps
    this.call = call
    this.#beganAt = deps.clock.now()
    this.#sampleIndex = call.sampleIndex
    this.includeUsage = asksForUsage(call.body['stream_options'])
    const { promise, resolve, reject } = Promise.withResolvers<Generation>()
    this.ready = promise
    this.#resolve = resolve
    this.#reject = reject
    // Whoever leaves may not wait for the answer, and then a fault is nobody's.
    promise.catch(nobody)
  }

  get surface(): GenerationCall['surface'] {
    return this.call.surface
  }

  get stream(): boolean {
    return this.call.body['stream'] === true
  }

  identify(key: string, sampleIndex: number): void {
    this.#key = key
    this.#sampleIndex = sampleIndex
  }

  /** Takes a seat in a flight; false if the flight takes no one. */
  sit(flight: Flight, role: Role): boolean {
    const seat = this.stream ? new StreamSeat(flight, this, this.#deps.flusher) : new DocumentSeat(flight, this)
    if (!flight.join(seat)) return false
    this.#seat = seat
    this.#flight = flight
    this.#role = role
    seat.wake()
    return true
  }

  /** Answers from a stored entry. */
  replay({ recording, createdAtMs }: Entry): void {
    const { metrics, clock } = this.#deps
    metrics.answered('hit')
    metrics.tokens(this.call.tenant, 'saved', recording.usage)
    const content: Content = this.stream
      ? { kind: 'stream', pipe: this.#pipeWhole(asStream(this.surface, recording, this.includeUsage)) }
      : { kind: 'document', bytes: asDocument(this.surface, recording) }
    if (content.kind === 'document') metrics.ended(null)
    this.#resolve({
      outcome: 'hit',
      key: this.#key,
      sampleIndex: this.#sampleIndex,
      ageSeconds: ageSeconds(clock, createdAtMs),
      attempts: 0,
      queueMs: 0,
      upstreamMs: 0,
      headers: NO_HEADERS,
      content,
    })
  }

  /** There is no answer, for a reason before any flight. */
  refuse(error: unknown): void {
    this.#reject(error)
  }

  leave(): void {
    if (this.left) return
    this.left = true
    if (this.#seat === null) this.#reject(fault('LG_CLIENT_CLOSED'))
    else this.#seat.leave()
  }

  give(content: Content): void {
    this.#given = true
    if (this.#flight !== null) this.#resolve(this.#generation(this.#flight, content))
  }

  began(): void {
    this.#deps.metrics.began((this.#deps.clock.now() - this.#beganAt) / 1000)
  }

  over(error: LoopgateError | null): void {
    const { metrics } = this.#deps
    metrics.ended(error?.code ?? null)
    if (error === null) {
      const saved = this.#role === 'coalesced' || this.#flight?.head?.source !== 'upstream'
      if (saved) metrics.tokens(this.call.tenant, 'saved', this.#flight?.end?.facts.usage ?? null)
    } else if (!this.#given) {
      metrics.answered(this.#role)
      this.#reject(error)
    }
  }

  #generation({ head }: Flight, content: Content): Generation {
    const fromCache = head?.source === 'cache'
    const outcome: CacheOutcome = fromCache ? 'hit' : head?.source === 'peer' ? 'coalesced' : this.#role
    const leads = head?.source === 'upstream' && this.#role !== 'coalesced'
    const queueMs = leads ? head.queueMs : 0
    this.#deps.metrics.answered(outcome)
    return {
      outcome,
      key: this.#key,
      sampleIndex: this.#sampleIndex,
      ageSeconds: head?.ageSeconds ?? null,
      attempts: leads ? head.attempts : 0,
      queueMs,
      upstreamMs: head === null || fromCache ? 0 : Math.max(0, head.at - this.#beganAt - queueMs),
      // Limits and ids of the upstream are about the leader's call.
      headers: leads ? head.headers : NO_HEADERS,
      content,
    }
  }

  #pipeWhole(bytes: Buffer): (sink: Sink) => boolean {
    return (sink) => {
      if (this.left) return true
      this.began()
      sink.write(bytes)
      sink.end()
      this.#deps.metrics.ended(null)
      return true
    }
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

function nobody(): void {}

/** Age of an entry for the `age` header: whole seconds, never negative. */
export function ageSeconds(clock: Clock, createdAtMs: number): number {
  return Math.max(0, Math.floor((clock.wallNow() - createdAtMs) / 1000))
}

function asksForUsage(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}
