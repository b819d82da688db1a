import type { WindowReport } from './bank.ts'
import type { Levels } from './levels.ts'
import { WINDOWS } from './windows.ts'

type Fact = { readonly limit: number | null; readonly remaining: number | null }

/** What one reply said of the buckets; what it was silent about is unknown, and changes nothing. */
export type Told = Readonly<
  Record<'requests' | 'tokens', { readonly [W in 'minute' | 'hour' | 'day']?: Fact | undefined }>
>

/**
 * Below this part of a bucket a difference is none: replies lag behind by a request or two (recorded),
 * and what other replicas have used in the last second is not known here.
 */
const SLACK = 0.02
const SLACK_REQUESTS = 2
/** A level that is higher than believed may be that of a moment ago: half of it is believed. */
const TRUST = 0.5

/** What other replicas need to tell the bank of what they have used, and the bank to tell it here. */
const TOLD_MS = 1500

/** What was believed when a call was granted, to be compared with what its reply tells. */
export type Belief = {
  readonly levels: readonly number[]
  readonly epoch: number
  /** What others had used by then, by window, since this process began. */
  readonly others: readonly number[]
  /** Calls of this process under way, less all that were granted by then, itself included. */
  readonly calls: number
}

/** A difference that may yet turn out to be what other replicas have used. */
type Doubt = { readonly difference: number; readonly others: number; readonly calls: number; readonly sinceMs: number }

/**
 * What replies have corrected in the levels. A reply tells how full a bucket was when its call was
 * admitted, which may be long ago by the time that the reply is there; so not the level counts but
 * its difference to what was believed then. One difference shows in the replies of all calls that
 * were under way with it: it counts once, by the epoch that ends with each correction.
 *
 * The provider counts a request when it admits it, and this process when it is over: calls under way
 * are no difference. Nor is what other replicas have used and not told yet: a level that is lower than
 * believed is corrected once they have had the time to tell, by what that leaves unexplained.
 */
export class Corrections {
  #epoch = 0
  readonly #levels: Levels
  readonly #pending = WINDOWS.map(() => 0)
  readonly #named = WINDOWS.map(() => false)
  readonly #doubts = new Map<number, Doubt>()
  readonly #others = WINDOWS.map(() => 0)
  /** Calls granted by this process, ever. */
  #granted = 0

  constructor(levels: Levels) {
    this.#levels = levels
  }

  /** How many corrections there have been; with Redis, of all replicas. */
  get epoch(): number {
    return this.#epoch
  }

  /** Whoever corrected, it has to be seen anew what differs. */
  set epoch(epoch: number) {
    if (epoch !== this.#epoch) this.#doubts.clear()
    this.#epoch = epoch
  }

  /** A call is granted while so many others of this process are under way. */
  believe(underWay: number): Belief {
    const calls = underWay - ++this.#granted
    return { levels: this.#levels.snapshot(), epoch: this.#epoch, others: [...this.#others], calls }
  }

  /** Others have used so much out of a window, as the bank tells. */
  usedByOthers(index: number, amount: number): void {
    this.#others[index] = (this.#others[index] ?? 0) + Math.max(0, amount)
  }

  /** True if there is something that the bank should know now. `alone`: there is none to tell. */
  note(told: Told, belief: Belief, nowMs: number, alone: boolean): boolean {
    let news = false
    let corrected = false
    // Those before it, and those after it that may have been admitted before it.
    const calls = belief.calls + this.#granted
    WINDOWS.forEach(({ told: place, currency }, index) => {
      const fact = place === null ? undefined : told[place.metric][place.window]
      if (fact === undefined) return
      const own = currency === 'requests' ? calls : 0
      if (this.#limited(index, fact, own)) news = true
      const then = belief.levels[index]
      if (fact.remaining === null || then === undefined || belief.epoch !== this.#epoch) return
      if (then === Number.POSITIVE_INFINITY) return
      const difference = fact.remaining - then
      if (difference < 0 && !alone) this.#doubt(index, { difference, belief, calls: own, nowMs })
      else {
        const correction = difference > 0 ? difference * TRUST : Math.min(0, difference + own)
        if (Math.abs(difference > 0 ? difference : correction) <= this.#slack(index)) return
        if (alone) this.#levels.correct(index, correction)
        else this.#pending[index] = correction
        corrected = true
      }
    })
    // Alone it is done; else the bank begins the new epoch.
    if (corrected && alone) this.epoch = this.#epoch + 1
    return news || corrected
  }

  /** What to tell the bank, where others hold so many requests; it is told once. */
  take(nowMs: number, heldByOthers: number): WindowReport[] {
    this.#resolve(nowMs, heldByOthers)
    return WINDOWS.map((_, index) => {
      const known = this.#levels.at(index)
      const report = {
        limit: known?.capacity ?? null,
        replaces: this.#named[index] ?? false,
        level: known?.level ?? 0,
        correction: this.#pending[index] ?? 0,
      }
      this.#pending[index] = 0
      this.#named[index] = false
      return report
    })
  }

  #doubt(index: number, seen: { difference: number; belief: Belief; calls: number; nowMs: number }): void {
    if (this.#doubts.has(index) || seen.difference + seen.calls >= -this.#slack(index)) return
    const { difference, belief, calls, nowMs } = seen
    this.#doubts.set(index, { difference, calls, others: belief.others[index] ?? 0, sinceMs: nowMs })
  }

  #resolve(nowMs: number, heldByOthers: number): void {
    for (const [index, { difference, others, calls, sinceMs }] of this.#doubts) {
      if (nowMs - sinceMs < TOLD_MS) continue
      this.#doubts.delete(index)
      // Requests of others that are under way are counted by the provider too.
      const held = WINDOWS[index]?.currency === 'requests' ? heldByOthers : 0
      const unexplained = difference + calls + held + (this.#others[index] ?? 0) - others
      if (unexplained < -this.#slack(index)) this.#pending[index] = unexplained
    }
  }

  #slack(index: number): number {
    const capacity = this.#levels.at(index)?.capacity ?? 0
    return Math.max(capacity * SLACK, WINDOWS[index]?.currency === 'requests' ? SLACK_REQUESTS : 0)
  }

  /** A limit that is new or another than before; `own` of what is gone will be counted when it is settled. */
  #limited(index: number, { limit, remaining }: Fact, own: number): boolean {
    if (limit === null || limit === Number.POSITIVE_INFINITY) return false
    const known = this.#levels.at(index)
    if (known !== null && Math.abs(known.capacity - limit) < 0.5) return false
    const level = known === null ? (remaining === null ? limit : remaining + own) : known.level + limit - known.capacity
    this.#levels.set(index, limit, level)
    this.#named[index] = true
    return true
  }
}
