import {
  type CallHandle,
  type Facts,
  type Fallback,
  type Remedy,
  remedyOf,
  type ReplyHead,
  type RetriedRequest,
  UpstreamFault,
} from '@loopgate/cerebras'
import type { Priority, Usage } from '@loopgate/contracts'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import { KeepAlive } from '../flight/keep-alive.ts'
import { type Amounts, NOTHING } from '../schedule/buckets/amounts.ts'
import type { Asking, Grant } from '../schedule/types.ts'
import type { Caller } from './caller.ts'
import { Feeder, type FeederOwner } from './feeder.ts'
import { FallbackTour } from './fallback-tour.ts'
import { amountsOf, heed, kindOf } from './heed.ts'
import type { LeadDeps } from './lead.ts'
import { learn } from './learn.ts'
import { type Draft, draft, UNSCHEDULED } from './draft.ts'

type Ordered = Pick<Caller, 'call' | 'place' | 'beganAt'>

/** Keys that one call tries, one after the other, where each is refused for what it is. */
const MAX_PLACES = 5

/**
 * The way of one flight to its answer: waits for room, calls, and settles what was used; again, from the
 * end of the queue's front, while what failed has given nothing to anybody and may pass. To the flight
 * it is one call, whatever number of calls it takes.
 */
export class Errand implements Asking, CallHandle, FeederOwner {
  attempts = 0
  avoid: string | null = null
  readonly model: string
  readonly priority: Priority
  readonly tenant: string
  readonly flow: string
  readonly sinceMs: number
  readonly deadlineMs: number
  readonly #deps: LeadDeps
  readonly #ordered: Ordered
  readonly #flight: Flight
  #draft: Draft
  #grant: Grant | null = null
  #handle: CallHandle | null = null
  #askedAtMs = 0
  #queuedMs = 0
  #cancelDelay: (() => void) | null = null
  readonly #keepAlive: KeepAlive
  #head: ReplyHead | null = null
  #over = false
  readonly #retried: RetriedRequest
  /** Those who may answer instead; null until one has to. */
  #tour: FallbackTour | null = null

  constructor(deps: LeadDeps, ordered: Ordered, flight: Flight) {
    const { scheduling = UNSCHEDULED, tenant, body } = ordered.call
    this.#deps = deps
    this.#ordered = ordered
    this.#flight = flight
    this.model = String(body['model'])
    this.priority = scheduling.priority
    this.tenant = tenant
    this.flow = scheduling.flow
    this.sinceMs = ordered.beganAt
    this.deadlineMs = ordered.beganAt + (scheduling.deadlineMs ?? deps.deadlineMs)
    this.#draft = draft(deps, ordered, false)
    this.#retried = deps.retries.begin()
    this.#keepAlive = new KeepAlive(deps.clock, flight)
  }

  get amounts(): Amounts {
    return this.#draft.amounts
  }

  get bytes(): number {
    return this.#draft.body.length
  }

  /** Time before the request was written to a connection, in queues of ours too. */
  get waitedMs(): number | null {
    const connectedMs = this.#handle?.waitedMs ?? null
    return connectedMs === null ? null : this.#queuedMs + connectedMs
  }

  ask(): void {
    this.#askedAtMs = this.#deps.clock.now()
    // Waiting for room where no call has a chance would help nobody.
    if (this.#deps.upstream.exhausted() && this.#standIn(null)) return
    const expectedMs = this.#deps.scheduler.ask(this)
    if (this.attempts > 0 || this.#over) return
    this.#flight.wait(expectedMs)
    this.#keepAlive.start()
  }

  granted(grant: Grant): void {
    this.#grant = grant
    this.#keepAlive.stop()
    this.#queuedMs += this.#deps.clock.now() - this.#askedAtMs
    this.#call({ organisation: grant.organisation })
  }

  #call(to: { readonly organisation: string } | { readonly fallback: Fallback }): void {
    const attempt = ++this.attempts
    const { call } = this.#ordered
    const handle = this.#deps.upstream.call({
      path: call.surface === 'chat' ? '/v1/chat/completions' : '/v1/completions',
      model: this.model,
      body: this.#draft.body,
      headers: call.headers,
      receiver: new Feeder(this.#flight, this),
      ...to,
    })
    // It may have failed, and been made anew, before this.
    if (attempt === this.attempts && (this.#grant !== null || 'fallback' in to)) this.#handle = handle
  }

  refused(error: LoopgateError): void {
    // There is room too late: another may have it in time.
    if (error.code === 'LG_DEADLINE' && this.#standIn(error)) return
    this.#finish()
    this.#flight.fail(error)
  }

  began(head: ReplyHead): void {
    this.#grant?.taken()
    if (head.rate !== null) this.#grant?.told(head.rate)
    // An answer that our cap may have cut off is none until it is whole.
    if (head.kind === 'document' && this.#draft.cap !== null) this.#head = head
    else this.#open(head)
  }

  ended(facts: Facts): boolean {
    const { cap } = this.#draft
    const cut = cap !== null && facts.finishReasons.includes('length') && (facts.usage?.completion_tokens ?? cap) >= cap
    this.#settle(facts.usage === null ? this.#guess() : amountsOf(facts.usage))
    if (this.#tour === null) learn(this.#deps, this.tenant, this.#draft, facts, cut)
    if (cut) return this.#reissue(facts.usage)
    if (this.#head !== null) this.#open(this.#head)
    this.#finish()
    return true
  }

  failed(error: LoopgateError): boolean {
    const remedy = remedyOf(error)
    const organisation = this.#grant?.organisation ?? ''
    if (this.#grant !== null) heed(this.#grant, error, remedy)
    this.#settle(remedy.counted ? this.#guess() : NOTHING)
    this.#handle?.abort()
    this.#handle = null
    this.#head = null
    const untouched = !this.#over && !this.#flight.abandoned && this.#flight.log.end === 0
    this.avoid = organisation
    if (untouched && this.#tour === null && this.#tryAgain(error, remedy)) {
      this.#deps.scheduler.metrics.again(organisation, kindOf(error))
      return true
    }
    if (untouched && (this.#tour !== null || remedy.fallback !== 'never') && this.#standIn(error)) return true
    this.#finish()
    // What is wrong with a fallback is no news of the upstream that was asked for.
    this.#flight.fail(this.#tour?.first ?? error)
    return false
  }

  abort(): void {
    if (this.#over) return
    this.#finish()
    this.#deps.scheduler.withdraw(this)
    this.#handle?.abort()
    // The provider is not known to give anything back for a caller that leaves.
    this.#settle(this.#guess())
  }

  pause(): void {
    this.#handle?.pause()
  }

  resume(): void {
    this.#handle?.resume()
  }

  #open({ kind, headers }: ReplyHead): void {
    this.#flight.open({
      source: 'upstream',
      kind,
      headers,
      at: this.#deps.clock.now(),
      ageSeconds: null,
      attempts: Math.max(this.attempts, this.attempts - 1 + (this.#handle?.attempts ?? 1)),
      queueMs: this.waitedMs ?? this.#queuedMs,
      ...(this.#tour?.current && { fallback: this.#tour.current }),
    })
  }

  #tryAgain(error: LoopgateError, { request }: Remedy): boolean {
    if (request === 'free') return this.#again(error, 0)
    if (request === 'elsewhere') {
      const elsewhere = error instanceof UpstreamFault && error.elsewhere && !this.#deps.upstream.exhausted()
      return elsewhere && this.attempts < this.#places() && this.#again(error, 0)
    }
    if (request === 'give_up') return false
    const delayMs = this.#retried.again(error, this.#leftMs())
    return delayMs !== null && this.#again(error, delayMs)
  }

  /** Lets the next fallback answer, for this reason; false if there is none, or no time. */
  #standIn(error: LoopgateError | null): boolean {
    if (this.#leftMs() <= 0) return false
    const tour = this.#tour ?? new FallbackTour(this.#deps, this.#ordered, error)
    const next = tour.next(this.model)
    if (next === null) return false
    if (this.#tour === null) this.#draft = draft(this.#deps, this.#ordered, true)
    this.#tour = tour
    this.#keepAlive.stop()
    tour.stored(next, (entry) => {
      if (this.#over) return
      if (entry === null) return this.#call({ fallback: next })
      this.#finish()
      this.#deps.serve(this.#flight, entry, next)
    })
    return true
  }

  #leftMs(): number {
    return this.deadlineMs - this.#deps.clock.now()
  }

  /** How many keys there are to be tried. */
  #places(): number {
    const { organisations } = this.#deps.upstream
    return Math.min(
      MAX_PLACES,
      organisations.reduce((sum, { keyCount }) => sum + keyCount, 0),
    )
  }

  #finish(): void {
    this.#over = true
    this.#keepAlive.stop()
    this.#cancelDelay?.()
    this.#retried.end()
  }

  /** The whole generation once more, without our cap: what was cut off is nobody's answer. */
  #reissue(usage: Usage | null): boolean {
    if (usage !== null) this.#flight.waste(usage)
    this.#deps.scheduler.metrics.reissued(this.tenant)
    this.#head = null
    this.#handle = null
    this.#draft = draft(this.#deps, this.#ordered, true)
    const late = fault('LG_DEADLINE', { cause: new Error('a learnt cap has cut the answer off') })
    if (!this.#again(late, 0)) this.refused(late)
    return false
  }

  /** False if it is too late; after a delay the flight is told so with the error. */
  #again(error: LoopgateError, delayMs: number): boolean {
    const { clock, scheduler } = this.#deps
    const now = (): boolean => {
      this.#cancelDelay = null
      this.#askedAtMs = clock.now()
      const waits = scheduler.again(this)
      if (waits && this.#grant === null) this.#keepAlive.start()
      return waits
    }
    if (delayMs === 0) return now()
    this.#cancelDelay = clock.after(delayMs, () => {
      if (!now()) this.refused(error)
    })
    return true
  }

  #settle(amounts: Amounts): void {
    const grant = this.#grant
    this.#grant = null
    grant?.settle(amounts)
  }

  /** What a call has used that did not tell: its prompt, and of the output as much as others use. */
  #guess(): Amounts {
    const { promptTokens, outputTokens } = this.#draft
    const tokens = promptTokens + outputTokens * this.#deps.scheduler.estimates.usedPart(this.model)
    return { requests: 1, tokens, totalTokens: tokens }
  }
}
