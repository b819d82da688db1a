import type { Amounts, Currency } from './amounts.ts'
import { type Limits, WINDOWS } from './windows.ts'

/**
 * Part of a bucket of tokens that is never given out: the provider counts the tokens of a prompt
 * otherwise than our estimate, and a bucket that is filled to its edge is refused for a handful of
 * them. It lowers what may come at once, not what comes in a minute. Requests are counted alike.
 */
export const FLOOR = 0.01

const floorOf = (currency: Currency, capacity: number): number => (currency === 'requests' ? 0 : capacity * FLOOR)

/** A level with what it is of; unknown windows are absent. */
export type Level = { readonly capacity: number; readonly level: number }

/**
 * The provider's buckets for one organisation and model as this process believes them to be: each
 * refills continuously from empty to full in one window. Reservations are not subtracted here.
 */
export class Levels {
  /** What this process may take of the refill, when all replicas take their own share; else 1. */
  share = 1
  readonly #capacity: number[]
  readonly #level: number[]
  #atMs: number

  constructor(limits: Limits, nowMs: number) {
    this.#capacity = WINDOWS.map(({ name }) => limits[name] ?? Number.POSITIVE_INFINITY)
    this.#level = [...this.#capacity]
    this.#atMs = nowMs
  }

  /** Whether any limit is known. */
  get known(): boolean {
    return this.#capacity.some((capacity) => capacity !== Number.POSITIVE_INFINITY)
  }

  at(index: number): Level | null {
    const capacity = this.#capacity[index] ?? Number.POSITIVE_INFINITY
    return capacity === Number.POSITIVE_INFINITY ? null : { capacity, level: this.#level[index] ?? 0 }
  }

  refill(nowMs: number): void {
    const pastMs = nowMs - this.#atMs
    if (pastMs <= 0) return
    this.#atMs = nowMs
    WINDOWS.forEach(({ windowMs }, index) => {
      const capacity = this.#capacity[index] ?? 0
      if (capacity === Number.POSITIVE_INFINITY) return
      const level = this.#level[index] ?? 0
      this.#level[index] = Math.min(capacity * this.share, level + (capacity * this.share * pastMs) / windowMs)
    })
  }

  debit(used: Amounts): void {
    WINDOWS.forEach(({ currency }, index) => this.correct(index, -used[currency]))
  }

  /** Moves a level; a debt of more than one whole window can only be a mistake. */
  correct(index: number, by: number): void {
    const capacity = this.#capacity[index] ?? 0
    this.#level[index] = Math.min(capacity, Math.max(-capacity, (this.#level[index] ?? 0) + by))
  }

  /** The levels as they are, by window. */
  snapshot(): readonly number[] {
    return [...this.#level]
  }

  /** What another has found out: the limit of a window and how full it is. */
  set(index: number, capacity: number, level: number): void {
    this.#capacity[index] = capacity
    this.#level[index] = Math.min(capacity, level)
  }

  /** The least that is left of any window of a currency, less the floor; unbounded while none is known. */
  left(currency: Currency): number {
    let least = Number.POSITIVE_INFINITY
    WINDOWS.forEach((window, index) => {
      const capacity = this.#capacity[index] ?? Number.POSITIVE_INFINITY
      if (window.currency !== currency || capacity === Number.POSITIVE_INFINITY) return
      least = Math.min(least, (this.#level[index] ?? 0) - floorOf(currency, capacity))
    })
    return least
  }

  /** No request can ever have more than this of a currency. */
  most(currency: Currency): number {
    let least = Number.POSITIVE_INFINITY
    WINDOWS.forEach((window, index) => {
      if (window.currency === currency) least = Math.min(least, this.#capacity[index] ?? least)
    })
    return least === Number.POSITIVE_INFINITY ? least : least - floorOf(currency, least)
  }

  /** What comes in a second at most; unbounded while unknown. */
  perSecond(currency: Currency): number {
    let least = Number.POSITIVE_INFINITY
    WINDOWS.forEach(({ currency: counted, windowMs }, index) => {
      if (counted !== currency) return
      least = Math.min(least, ((this.#capacity[index] ?? Number.POSITIVE_INFINITY) * this.share * 1000) / windowMs)
    })
    return least
  }

  /** From now on only so much may be spent at once of what there is, as what was given of it. */
  confine(given: Amounts): void {
    WINDOWS.forEach(({ currency }, index) => {
      const capacity = this.#capacity[index] ?? Number.POSITIVE_INFINITY
      if (capacity === Number.POSITIVE_INFINITY) return
      this.#level[index] = Math.min(this.#level[index] ?? 0, given[currency] + floorOf(currency, capacity))
    })
  }

  /**
   * How long until so much is there beside what is held, in ms, for one of so many who refill from it
   * alike; 0 if it is there.
   */
  waitMs(needed: Amounts, held: Amounts, takers: number): number {
    let longest = 0
    WINDOWS.forEach(({ currency, windowMs }, index) => {
      const capacity = this.#capacity[index] ?? Number.POSITIVE_INFINITY
      if (capacity === Number.POSITIVE_INFINITY) return
      const left = (this.#level[index] ?? 0) - floorOf(currency, capacity) - held[currency]
      longest = Math.max(longest, ((needed[currency] - left) * windowMs * takers) / (capacity * this.share))
    })
    return longest
  }
}
