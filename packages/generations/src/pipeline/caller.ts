import { type Fallback, PRIMARY } from '@loopgate/cerebras'
import type { CacheOutcome, Usage } from '@loopgate/contracts'
import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import { DocumentSeat } from '../flight/document-seat.ts'
import type { Flight } from '../flight/flight.ts'
import type { Flusher } from '../flight/flusher.ts'
import type { OwnedSeat, Owner } from '../flight/owner.ts'
import { StreamSeat } from '../flight/stream-seat.ts'
import type { Statistics } from '../cache/statistics.ts'
import { deliver } from '../delivery/deliver.ts'
import { hold } from '../flight/holder.ts'
import type { Metrics } from '../metrics.ts'
import { asDocument, asStream } from '../shape/recording.ts'
import type { Generation, GenerationCall, Sink, Ticket } from '../types.ts'
import { Account } from './account.ts'
import type { Place } from './identify.ts'
import { NO_WISHES } from './plan.ts'

export type Role = 'miss' | 'coalesced' | 'bypass'

export type CallerDeps = {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly statistics: Statistics
  readonly flusher: Flusher
  readonly standIn: (place: Place, fallback: Fallback) => Place
  /** Its flight failed, and it may join or make another call; `end` is for when it cannot. */
  readonly tryAgain: (caller: Caller, failed: Flight) => void
}

type Content = Generation['content']

/** One caller on its way through the stages: what it is told, and what is counted for it. */
export class Caller implements Ticket, Owner {
  readonly call: GenerationCall
  readonly ready: Promise<Generation>
  readonly includeUsage: boolean
  readonly account: Account
  left = false
  /** Its turn to call the upstream has come and gone. */
  hasCalled = false
  /** On the monotonic clock. */
  readonly beganAt: number
  /** Where its generation belongs; null for what is never shared. */
  place: Place | null = null
  readonly #deps: CallerDeps
  readonly #resolve: (generation: Generation) => void
  readonly #reject: (error: unknown) => void
  #flight: Flight | null = null
  #seat: OwnedSeat | null = null
  #role: Role = 'bypass'
  #given = false

  constructor(deps: CallerDeps, call: GenerationCall) {
    this.#deps = deps
    this.call = call
    this.beganAt = deps.clock.now()
    this.account = new Account(call.settled)
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
    this.#answered('hit')
    this.#saved(recording.usage)
    const content: Content = this.stream
      ? { kind: 'stream', pipe: this.#pipeWhole(asStream(this.surface, recording, this.includeUsage)) }
      : { kind: 'document', bytes: asDocument(this.surface, recording) }
    if (content.kind === 'document') metrics.ended(null)
    this.account.done()
    this.#resolve({
      outcome: 'hit',
      role: 'none',
      ...this.#position(this.place),
      upstream: PRIMARY,
      ageSeconds: ageSeconds(clock, createdAtMs),
      attempts: 0,
      queueMs: 0,
      expectedWaitMs: null,
      upstreamMs: 0,
      headers: NO_HEADERS,
      content: this.#deliver(content, true),
    })
  }

  /** There is no answer, for a reason before any flight. */
  refuse(error: unknown): void {
    this.account.done()
    this.#reject(error)
  }

  leave(): void {
    if (this.left) return
    this.left = true
    if (this.#seat === null) return this.refuse(fault('LG_CLIENT_CLOSED'))
    const holdMs = this.#holdMs()
    if (this.#flight !== null && holdMs > 0) hold(this.#flight, this.#deps.clock, holdMs)
    this.#seat.leave()
  }

  give(content: Content): void {
    this.#given = true
    if (this.#flight !== null) this.#resolve(this.#generation(this.#flight, content))
  }

  began(): void {
    this.#deps.metrics.began((this.#deps.clock.now() - this.beganAt) / 1000)
  }

  over(error: LoopgateError | null): void {
    const flight = this.#flight
    if (flight?.inheritable === true && this.#mayTryAgain(error?.retryAfterMs ?? 0)) this.#deps.tryAgain(this, flight)
    else this.end(error)
  }

  /** Its answer has ended, or will not come; counted and told. */
  end(error: LoopgateError | null): void {
    const { metrics } = this.#deps
    metrics.ended(error?.code ?? null)
    this.account.done()
    if (error === null) {
      const saved = this.#role === 'coalesced' || this.#flight?.head?.source !== 'upstream'
      if (saved) this.#saved(this.#flight?.end?.facts.usage ?? null)
    } else if (!this.#given) {
      metrics.answered(this.#role)
      this.#reject(error)
    }
  }

  /** Whoever goes on with a generation never begins one. */
  #mayTryAgain(afterMs: number): boolean {
    const waits = !this.hasCalled && !this.#given && !this.left
    return waits && !this.call.delivery?.resume && this.#hasTime(afterMs)
  }

  /** It would wait for so long. */
  #hasTime(ms: number): boolean {
    const deadlineMs = this.call.scheduling?.deadlineMs ?? Number.POSITIVE_INFINITY
    return this.beganAt + deadlineMs > this.#deps.clock.now() + ms
  }

  #generation({ head, expectedMs, waitsElsewhere }: Flight, content: Content): Generation {
    // Without a head nothing has come yet but signs of life, and the flight waits for room.
    const source = head?.source ?? (waitsElsewhere ? 'peer' : 'upstream')
    const fromCache = source === 'cache'
    const outcome: CacheOutcome = fromCache ? 'hit' : source === 'peer' ? 'coalesced' : this.#role
    const leads = source === 'upstream' && this.#role !== 'coalesced'
    const queueMs = leads ? (head?.queueMs ?? 0) : 0
    this.#answered(outcome)
    const fallback = head?.fallback
    const place = this.place === null || fallback === undefined ? this.place : this.#deps.standIn(this.place, fallback)
    return {
      outcome,
      role: leads && this.place !== null ? 'leader' : outcome === 'coalesced' ? 'follower' : 'none',
      ...this.#position(place),
      upstream: fallback?.name ?? PRIMARY,
      ageSeconds: head?.ageSeconds ?? null,
      attempts: leads ? (head?.attempts ?? 0) : 0,
      queueMs,
      expectedWaitMs: fromCache ? null : expectedMs,
      upstreamMs: head === null || fromCache ? 0 : Math.max(0, head.at - this.beganAt - queueMs),
      // Limits and ids of the upstream are about the leader's call.
      headers: leads ? (head?.headers ?? NO_HEADERS) : NO_HEADERS,
      content: this.#deliver(content, fromCache),
    }
  }

  #position(place: Place | null): Pick<Generation, 'key' | 'sampleIndex'> {
    if (place === null) return { key: null, sampleIndex: this.call.sampleIndex }
    return { key: place.key, sampleIndex: place.sampleIndex }
  }

  #answered(outcome: CacheOutcome): void {
    const { metrics, statistics } = this.#deps
    metrics.answered(outcome)
    statistics.count(this.call.tenant, this.#model, COUNTED[outcome])
  }

  #saved(usage: Usage | null): void {
    const { metrics, statistics } = this.#deps
    metrics.tokens(this.call.tenant, 'saved', usage)
    if (usage === null) return
    statistics.count(this.call.tenant, this.#model, 'savedTokens', usage.prompt_tokens + usage.completion_tokens)
  }

  get #model(): string {
    return String(this.call.body['model'])
  }

  #deliver(content: Content, replayed: boolean): Content {
    const { clock } = this.#deps
    return deliver(content, { clock, call: this.call, key: this.place?.key ?? null, replayed, left: () => this.left })
  }

  /** How long a flight is kept going for a caller that leaves and will ask for the same again. */
  #holdMs(): number {
    const { sharing = NO_WISHES, timeoutSeconds = null } = this.call
    if (this.place === null) return 0
    if (sharing.idempotencyKey !== null) return FILL_MS
    if (timeoutSeconds === null) return 0
    // Whole seconds, rounded down: it has timed out if it leaves within the second after them.
    const afterMs = this.#deps.clock.now() - this.beganAt - timeoutSeconds * 1000
    return afterMs > -TIMER_MS && afterMs < 1000 + TIMER_MS ? RETRY_MS : 0
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

/** Longest time for which an idempotent call goes on without anybody waiting for it. */
const FILL_MS = 600_000
/** SDKs come again within 8 s after a timeout (openai-node: 0.5 s, doubled, at most 8 s). */
const RETRY_MS = 10_000
/** What a timer of a client, and the way from it, may take more or less. */
const TIMER_MS = 250

const COUNTED = { hit: 'hits', miss: 'misses', coalesced: 'coalesced', bypass: 'bypassed' } as const

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

function nobody(): void {}

/** Age of an entry for the `age` header: whole seconds, never negative. */
export function ageSeconds(clock: Clock, createdAtMs: number): number {
  return Math.max(0, Math.floor((clock.wallNow() - createdAtMs) / 1000))
}

function asksForUsage(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}
