import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import { Alarm } from './alarm.ts'
import { type Amounts, minus, NOTHING, plus, times } from './buckets/amounts.ts'
import type { Bucket, Waiters } from './buckets/bucket.ts'
import type { Estimates } from './estimate.ts'
import type { SchedulerMetrics } from './metrics.ts'
import { FairQueue, type FairQueueOptions } from './queue/fair-queue.ts'
import type { Asking, Grant, Place } from './types.ts'

export type DeskDeps = {
  readonly clock: Clock
  readonly metrics: SchedulerMetrics
  readonly estimates: Estimates
  /** Whether an organisation may be called at all now. */
  readonly usable: (organisation: string) => boolean
}

/** A wait is looked at again after this at the latest. */
const LOOK_MS = 1000
/** What a predicted wait may be short by, for timers and the way there. */
const MARGIN_MS = 20

/** Those who wait for one model, and the buckets of all organisations for it. */
export class Desk {
  readonly #deps: DeskDeps
  readonly #queue: FairQueue<Place>
  readonly #buckets: readonly Bucket[]
  readonly #places = new Map<Asking, Place>()
  #waiting: Amounts = NOTHING
  #pumping = false
  readonly #alarm: Alarm

  constructor(deps: DeskDeps, options: FairQueueOptions, open: (desk: Desk) => readonly Bucket[]) {
    this.#deps = deps
    this.#queue = new FairQueue(options)
    this.#alarm = new Alarm(deps.clock, () => this.pump())
    this.#buckets = open(this)
  }

  get buckets(): readonly Bucket[] {
    return this.#buckets
  }

  get queue(): FairQueue<Place> {
    return this.#queue
  }

  /** Nobody waits, and nothing would be lost with it. */
  get idle(): boolean {
    return this.#queue.size === 0 && this.#buckets.every(({ idle }) => idle)
  }

  /** Whether any limit is known, so that what is reserved matters. */
  get limited(): boolean {
    return this.#buckets.some(({ known }) => known)
  }

  /** Grants at once, queues, or refuses one whose turn cannot come in time. Gives the wait to expect, in ms. */
  ask(asking: Asking): number {
    if (this.#queue.size === 0) {
      const bucket = this.#room(asking)
      if (bucket !== null) {
        this.#grant(asking, bucket, this.#turnTokens(asking))
        return 0
      }
    }
    const expectedMs = this.#expectedMs(asking, this.#deps.estimates.usedPart(asking.model))
    if (!this.#queue.hasRoom(asking)) this.#refuse(asking, 'full')
    else if (expectedMs > asking.deadlineMs - this.#deps.clock.now()) this.#refuse(asking, 'deadline')
    else this.#enqueue(asking, false)
    return expectedMs
  }

  /** One that was granted and has to call again: before all others of its flow. False if it is too late for that. */
  again(asking: Asking): boolean {
    const nowMs = this.#deps.clock.now()
    const pausedMs = Math.min(...this.#buckets.map(({ gate }) => gate.pausedForMs(nowMs)))
    if (nowMs + pausedMs >= asking.deadlineMs) return false
    this.#enqueue(asking, true)
    return true
  }

  /** One that waits no more. */
  withdraw(asking: Asking): void {
    const place = this.#places.get(asking)
    if (place !== undefined && this.#queue.delete(place)) this.#forget(place)
  }

  waiters(): Waiters {
    return { least: this.#queue.peek()?.asking.amounts ?? NOTHING, all: this.#waiting }
  }

  /** Something has changed: whoever can go, goes. */
  pump(): void {
    if (this.#pumping || this.#queue.size === 0) return
    this.#pumping = true
    try {
      for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
        const bucket = this.#room(next.asking)
        if (bucket === null) return this.#await(next.asking)
        const nowMs = this.#deps.clock.now()
        this.#queue.take(next, nowMs)
        this.#forget(next)
        this.#deps.metrics.waited(next.priority, nowMs - next.sinceMs)
        this.#grant(next.asking, bucket, next.tokens)
      }
      for (const bucket of this.#buckets) bucket.gate.calm(this.#deps.clock.now())
    } finally {
      this.#pumping = false
    }
  }

  close(): void {
    this.#alarm.cancel()
    for (const bucket of this.#buckets) bucket.close()
    for (const asking of this.#places.keys()) {
      this.withdraw(asking)
      asking.refused(fault('LG_DRAINING'))
    }
  }

  /** Where one can go now: where most is left, and nobody is kept out for a failed call if there is no other place. */
  #room(asking: Asking): Bucket | null {
    const nowMs = this.#deps.clock.now()
    let best: Bucket | null = null
    for (const bucket of this.#buckets) {
      if (bucket.gate.opensAtMs() > nowMs || !bucket.fits(asking.amounts)) continue
      if (!this.#deps.usable(bucket.organisation)) continue
      if (best === null || this.#isBetter(bucket, best, asking.avoid)) best = bucket
    }
    return best
  }

  #isBetter(bucket: Bucket, than: Bucket, avoid: string | null): boolean {
    if ((bucket.organisation === avoid) !== (than.organisation === avoid)) return than.organisation === avoid
    const [more, less] = [bucket.spendable().tokens, than.spendable().tokens]
    return more === less ? bucket.inFlight.requests < than.inFlight.requests : more > less
  }

  #grant(asking: Asking, bucket: Bucket, turnTokens: number): void {
    const reservation = bucket.reserve(asking.amounts)
    const { clock, metrics } = this.#deps
    const passedAtMs = clock.now()
    const grant: Grant = {
      organisation: bucket.organisation,
      reservation,
      told: (facts) => bucket.told(facts, reservation),
      taken: () => bucket.gate.taken(clock.now(), passedAtMs),
      settle: (used) => {
        const least = used.requests === 0 ? 0 : this.#tokensOfRequest()
        this.#queue.give(asking, turnTokens - Math.max(used.totalTokens, least))
        metrics.used(bucket, used)
        bucket.settle(reservation, used)
      },
      waitMs: () => bucket.waitMs(asking.amounts, NOTHING),
      pause: (length, reason, all) => {
        for (const each of all ? this.#buckets : [bucket])
          if (each.pause(length, passedAtMs)) metrics.paused(each, reason)
        this.pump()
      },
    }
    asking.granted(grant)
  }

  #enqueue(asking: Asking, first: boolean): void {
    const { priority, tenant, flow, bytes, sinceMs, deadlineMs } = asking
    const patienceEnds = this.#deps.clock.after(deadlineMs - this.#deps.clock.now(), () => {
      this.withdraw(asking)
      this.#refuse(asking, 'deadline')
    })
    // It has had its turn, and is no less patient for a failure or a bound of ours: it pays once it has its answer.
    const tokens = first ? 1 : this.#turnTokens(asking)
    const place = { asking, priority, tenant, flow, tokens, bytes, sinceMs, patienceEnds }
    this.#places.set(asking, place)
    this.#queue.add(place, first)
    this.#waiting = plus(this.#waiting, asking.amounts)
    this.pump()
  }

  #forget({ asking, patienceEnds }: Place): void {
    this.#waiting = this.#queue.size === 0 ? NOTHING : minus(this.#waiting, asking.amounts)
    patienceEnds()
    this.#places.delete(asking)
  }

  /**
   * What a turn costs: what is likely to be used, for the rest comes back, and not less than the tokens that
   * come with each request. Where requests run out first, turns are then alike, instead of a loop
   * of long answers waiting for many that cost it no place.
   */
  #turnTokens(asking: Asking): number {
    const { totalTokens } = asking.amounts
    const least = this.#tokensOfRequest()
    const likely = this.#deps.estimates.likely(asking.model, totalTokens)
    return Math.max(1, least, likely ?? (least > 0 ? 0 : totalTokens))
  }

  /** Tokens that come in while one request does; 0 where no limit of requests is known. */
  #tokensOfRequest(): number {
    let least = Number.POSITIVE_INFINITY
    for (const bucket of this.#buckets) least = Math.min(least, bucket.tokensOfRequest)
    return Number.isFinite(least) ? least : 0
  }

  /** Nobody goes before this one: looks again when there may be room for it. */
  #await(next: Asking): void {
    const nowMs = this.#deps.clock.now()
    let waitMs = LOOK_MS
    for (const bucket of this.#buckets) {
      const closedMs = bucket.gate.opensAtMs() - nowMs
      if (closedMs <= 0) bucket.await(next.amounts)
      waitMs = Math.min(waitMs, Math.max(1, closedMs, bucket.waitMs(next.amounts, NOTHING)))
    }
    this.#alarm.within(waitMs)
  }

  /** `usedPart` of what those before it have reserved will be used. */
  #expectedMs(asking: Asking, usedPart: number): number {
    const { requests } = this.#queue.ahead(asking)
    const mean = times(this.#waiting, usedPart / Math.max(1, this.#queue.size))
    const ahead = { ...times(mean, requests), requests }
    const nowMs = this.#deps.clock.now()
    const usable = this.#buckets.filter(({ organisation }) => this.#deps.usable(organisation))
    const buckets = usable.length > 0 ? usable : this.#buckets
    const open = buckets.filter((bucket) => bucket.gate.pausedForMs(nowMs) === 0)
    // Those before it go to all that are open, to each as much.
    const alone = buckets.map((bucket) => bucket.waitMs(asking.amounts, ahead))
    const together = open.map((bucket) => bucket.waitMs(asking.amounts, times(ahead, 1 / open.length)))
    return Math.min(...alone, together.length > 0 ? Math.max(...together) : Number.POSITIVE_INFINITY)
  }

  #refuse(asking: Asking, reason: 'full' | 'deadline'): void {
    this.#deps.metrics.refused(asking.priority, reason)
    asking.refused(refusal(reason, this.#expectedMs(asking, 1) + MARGIN_MS))
  }
}

/** After the time it names there is room, unless others come meanwhile. */
function refusal(reason: 'full' | 'deadline', waitMs: number): LoopgateError {
  const retryAfterMs = Math.ceil(waitMs)
  return fault(reason === 'full' ? 'LG_QUEUE_FULL' : 'LG_DEADLINE', { retryAfterMs })
}
