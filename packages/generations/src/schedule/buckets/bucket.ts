import type { Clock } from '@loopgate/service-kit'
import { Alarm } from '../alarm.ts'
import { type Amounts, amountsBy, covers, greater, lesser, minus, NOTHING, plus, UNBOUNDED } from './amounts.ts'
import type { PauseLength } from '../types.ts'
import type { Bank, Reply, Report } from './bank.ts'
import { type Belief, Corrections, type Told } from './corrections.ts'
import { Demand } from './demand.ts'
import { Gate } from './gate.ts'
import { Levels } from './levels.ts'
import { type Limits, WINDOWS } from './windows.ts'

/** What one call has taken; to be settled exactly once. */
export type Reservation = {
  readonly amounts: Amounts
  readonly belief: Belief
}

/** Who waits for a bucket. */
export type Waiters = {
  /** What the first of them needs; nothing if none waits. */
  readonly least: Amounts
  /** What all of them need together. */
  readonly all: Amounts
}

export type BucketDeps = {
  readonly clock: Clock
  /** Null without Redis. */
  readonly bank: Bank | null
  /** How many replicas live, this one included, as far as is known. */
  readonly replicas: () => number
  /** There may be room now. */
  readonly changed: () => void
  readonly waiters: () => Waiters
}

export type BucketOptions = { readonly organisation: string; readonly model: string; readonly limits: Limits }

/** Between two exchanges lies at least this, however many wait: what comes in so short a time is little. */
const EXCHANGE_GAP_MS = 25
/** And at most this while anything is held: others need to know what was used, and the lease lives on it. */
const EXCHANGE_MS = 1000
/** After so long without a call everything that was given is given back. */
const IDLE_MS = 5000
/** While somebody waits for more than there is, others may give something back: it is looked after so often. */
const LOOK_MS = 250

/**
 * The buckets of one organisation for one model, as this replica may use them. With Redis it spends
 * what the bank has given it, without asking for each call; without, its share of what it believes to
 * be there. While no limit is known, nothing is held back.
 */
export class Bucket {
  readonly organisation: string
  readonly model: string
  readonly gate = new Gate()
  readonly #deps: BucketDeps
  readonly #levels: Levels
  readonly #corrections: Corrections
  readonly #demand = new Demand()
  /** Spendable of what the bank gave; null while this replica goes by its own share. */
  #spare: Amounts | null = null
  #inFlight: Amounts = NOTHING
  /** Used and not told to the bank yet. */
  #unreported: Amounts = NOTHING
  #pendingPauseMs = 0
  #exchanging = false
  #exchangedAtMs = Number.NEGATIVE_INFINITY
  readonly #alarm: Alarm
  /** The bank has been asked at least once. */
  #asked = false
  /** What other replicas held when it was last heard, and how many refill from it alike. */
  #heldByOthers: Amounts = NOTHING
  #takers = 1
  /** The bank has answered at least once. */
  #heard = false

  constructor(deps: BucketDeps, { organisation, model, limits }: BucketOptions) {
    this.#deps = deps
    this.organisation = organisation
    this.model = model
    this.#levels = new Levels(limits, deps.clock.now())
    this.#corrections = new Corrections(this.#levels)
    this.#alarm = new Alarm(deps.clock, () => this.exchange())
    if (deps.bank !== null) this.#spare = NOTHING
  }

  /** Whether any limit is known. */
  get known(): boolean {
    return this.#levels.known
  }

  /** Tokens that come in while one request does; 0 where no limit of requests is known, unbounded where none of tokens. */
  get tokensOfRequest(): number {
    const levels = this.#levels
    return Math.min(levels.perSecond('tokens'), levels.perSecond('totalTokens')) / levels.perSecond('requests')
  }

  get inFlight(): Amounts {
    return this.#inFlight
  }

  /** Nothing is under way, owed or held, so that it can be forgotten. */
  get idle(): boolean {
    return this.#inFlight.requests === 0 && !this.known && !this.paused
  }

  get paused(): boolean {
    return this.gate.pausedForMs(this.#deps.clock.now()) > 0
  }

  get levels(): Levels {
    this.#levels.refill(this.#deps.clock.now())
    return this.#levels
  }

  /** What may be spent now; unbounded in what no limit is known of. */
  spendable(): Amounts {
    if (!this.known) return UNBOUNDED
    const { levels } = this
    const spare = this.#spare
    return amountsBy((currency) => {
      const left = levels.left(currency)
      if (left === Number.POSITIVE_INFINITY) return left
      return spare === null ? left - this.#inFlight[currency] : spare[currency]
    })
  }

  /** What a request has to find: one that is larger than the whole bucket goes when that is full. */
  needOf(amounts: Amounts): Amounts {
    return amountsBy((currency) => Math.min(amounts[currency], this.#levels.most(currency)))
  }

  fits(amounts: Amounts): boolean {
    return !this.known || covers(this.spendable(), this.needOf(amounts))
  }

  reserve(amounts: Amounts): Reservation {
    const nowMs = this.#deps.clock.now()
    this.gate.passed(nowMs)
    this.#demand.count(amounts, nowMs)
    this.#levels.refill(nowMs)
    const belief = this.#corrections.believe(this.#inFlight.requests)
    this.#inFlight = plus(this.#inFlight, amounts)
    if (this.#spare !== null) {
      this.#spare = minus(this.#spare, amounts)
      // Asked before what was given is used up, so that calls need not wait for Redis.
      const runsLow = this.known && !covers(this.spendable(), this.#demand.soon(nowMs, 0.5))
      if (runsLow || !this.#asked) this.exchange()
    }
    return { amounts, belief }
  }

  /** A call is over, and has used so much. */
  settle({ amounts }: Reservation, used: Amounts): void {
    this.#inFlight = minus(this.#inFlight, amounts)
    if (this.#spare !== null) this.#spare = plus(this.#spare, minus(amounts, used))
    if (this.known) {
      this.levels.debit(used)
      this.#unreported = plus(this.#unreported, used)
    }
    this.#deps.changed()
  }

  /** What a reply says of the buckets, as they were when its call was admitted. */
  told(facts: Told, { belief }: Reservation): void {
    const { clock, bank } = this.#deps
    if (this.#corrections.note(facts, belief, clock.now(), bank === null)) this.exchange()
  }

  /**
   * The provider has said no to a call that went through at that time: nothing goes there for a while.
   * True if no other pause was under way.
   */
  pause(length: PauseLength, passedAtMs: number): boolean {
    const ms = this.gate.refused(length, passedAtMs)
    this.#pendingPauseMs = Math.max(this.#pendingPauseMs, ms)
    const begins = this.#close(ms)
    this.exchange()
    return begins
  }

  /** How long until so much can go through, and all that goes before it, in ms, as far as is known. */
  waitMs(amounts: Amounts, ahead: Amounts): number {
    const pausedMs = this.gate.pausedForMs(this.#deps.clock.now())
    if (!this.known) return pausedMs
    const needed = plus(this.needOf(amounts), ahead)
    return Math.max(pausedMs, this.levels.waitMs(needed, plus(this.#inFlight, this.#heldByOthers), this.#takers))
  }

  /** Somebody waits for so much: looks when there may be room. */
  await(amounts: Amounts): void {
    if (this.#spare === null || this.#exchanging) return
    const nowMs = this.#deps.clock.now()
    const gapMs = this.#exchangedAtMs + EXCHANGE_GAP_MS - nowMs
    this.#alarm.within(Math.max(0, gapMs, Math.min(LOOK_MS, this.waitMs(amounts, NOTHING))))
  }

  /** Asks the bank now, or as soon as it may be asked again. */
  exchange(): void {
    if (this.#deps.bank === null || this.#exchanging) return
    const dueMs = this.#exchangedAtMs + EXCHANGE_GAP_MS - this.#deps.clock.now()
    if (dueMs <= 0) void this.#exchangeWith(this.#deps.bank)
    else this.#alarm.within(dueMs)
  }

  close(): void {
    this.#alarm.cancel()
  }

  async #exchangeWith(bank: Bank): Promise<void> {
    this.#exchanging = true
    this.close()
    const before = this.#inFlight
    const report = this.#report(this.#deps.clock.now())
    this.#unreported = NOTHING
    this.#pendingPauseMs = 0
    if (this.#spare !== null) this.#spare = report.keep
    const reply = await bank.exchange(this.organisation, this.model, report)
    this.#exchanging = false
    this.#asked = true
    this.#exchangedAtMs = this.#deps.clock.now()
    if (reply === null) this.#alone(report)
    else {
      // What was reserved and used meanwhile comes off what was given.
      const spent = minus(plus(this.#inFlight, this.#unreported), before)
      this.#together(reply, minus(reply.given, spent), before)
    }
    const holds = this.#inFlight.requests > 0 || this.#unreported.requests > 0 || (this.#spare?.requests ?? 0) > 0
    if (this.known && (holds || reply === null)) this.#alarm.within(EXCHANGE_MS)
    this.#deps.changed()
  }

  #report(nowMs: number): Report {
    const { least, all } = this.#deps.waiters()
    const need = this.needOf(least)
    const spare = greater(this.#spare ?? NOTHING, NOTHING)
    const idle = this.#demand.idleMs(nowMs) > IDLE_MS
    const want = idle ? all : plus(all, this.#demand.soon(nowMs, 1))
    return {
      epoch: this.#corrections.epoch,
      pauseMs: this.#pendingPauseMs,
      used: this.#unreported,
      inFlight: this.#inFlight,
      // What the first one cannot use is given back, lest two replicas hold halves that neither can use.
      keep: covers(spare, need) ? lesser(spare, want) : NOTHING,
      want,
      least: need,
      windows: this.#corrections.take(nowMs, this.#heldByOthers.requests),
    }
  }

  /** Redis has answered. */
  #together(reply: Reply, spare: Amounts, inFlight: Amounts): void {
    const { levels } = this
    levels.share = 1
    reply.windows.forEach((window, index) => {
      const known = levels.at(index)
      if (window === null) return
      const own = this.#unreported[WINDOWS[index]?.currency ?? 'requests']
      if (known !== null) this.#corrections.usedByOthers(index, known.level + own - window.level)
      levels.set(index, window.capacity, window.level)
    })
    const others = (currency: keyof Amounts): number =>
      this.known ? Math.max(0, levels.left(currency) - inFlight[currency] - reply.free[currency]) : 0
    this.#heard = true
    this.#heldByOthers = amountsBy((currency) => finite(others(currency)))
    this.#takers = reply.replicas
    // What was used meanwhile is in no level yet.
    levels.debit(this.#unreported)
    this.#corrections.epoch = reply.epoch
    this.#spare = spare
    if (reply.pauseMs > 0) this.#close(reply.pauseMs)
  }

  /** Redis is away: this replica goes on with what it was given, and its share of what is refilled. */
  #alone(report: Report): void {
    this.#unreported = plus(this.#unreported, report.used)
    this.#heldByOthers = NOTHING
    this.#takers = 1
    const { levels } = this
    levels.share = 1 / Math.max(1, this.#deps.replicas())
    if (this.#spare !== null && this.#heard) levels.confine(plus(this.#spare, this.#inFlight))
    this.#spare = null
  }

  #close(ms: number): boolean {
    const nowMs = this.#deps.clock.now()
    const usual = Math.min(this.#demand.requestsPerSecond(nowMs), this.#levels.perSecond('requests'))
    return this.gate.pause(nowMs + ms, nowMs, usual)
  }
}

const finite = (amount: number): number => (Number.isFinite(amount) ? amount : 0)
