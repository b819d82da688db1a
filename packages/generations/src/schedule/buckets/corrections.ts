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

/**
 * What replies have corrected in the levels. A reply tells how full a bucket was when its call was
 * admitted, which may be long ago by the time that the reply is there; so not the level counts but
 * its difference to what was believed then. One difference shows in the replies of all calls that
 * were under way with it: it counts once, by the epoch that ends with each correction.
 */
export class Corrections {
  /** How many corrections there have been; with Redis, of all replicas. */
  epoch = 0
  readonly #levels: Levels
  readonly #pending = WINDOWS.map(() => 0)
  readonly #named = WINDOWS.map(() => false)

  constructor(levels: Levels) {
    this.#levels = levels
  }

  /** True if there is something that the bank should know now. `alone`: there is none to tell. */
  note(told: Told, believed: readonly number[], epoch: number, alone: boolean): boolean {
    let news = false
    let corrected = false
    WINDOWS.forEach(({ told: place, currency }, index) => {
      const fact = place === null ? undefined : told[place.metric][place.window]
      if (fact === undefined) return
      if (this.#limited(index, fact)) news = true
      const known = this.#levels.at(index)
      const then = believed[index]
      if (fact.remaining === null || known === null || then === undefined || epoch !== this.epoch) return
      if (then === Number.POSITIVE_INFINITY) return
      const difference = fact.remaining - then
      const slack = Math.max(known.capacity * SLACK, currency === 'requests' ? SLACK_REQUESTS : 0)
      if (Math.abs(difference) <= slack) return
      const correction = difference > 0 ? difference * TRUST : difference
      if (alone) this.#levels.correct(index, correction)
      else this.#pending[index] = correction
      corrected = true
    })
    // Alone it is done; else the bank begins the new epoch.
    if (corrected && alone) this.epoch++
    return news || corrected
  }

  /** What to tell the bank; it is told once. */
  take(levels: Levels): WindowReport[] {
    return WINDOWS.map((_, index) => {
      const known = levels.at(index)
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

  /** A limit that is new or another than before. */
  #limited(index: number, { limit, remaining }: Fact): boolean {
    if (limit === null || limit === Number.POSITIVE_INFINITY) return false
    const known = this.#levels.at(index)
    if (known !== null && Math.abs(known.capacity - limit) < 0.5) return false
    const level = known === null ? (remaining ?? limit) : known.level + limit - known.capacity
    this.#levels.set(index, limit, level)
    this.#named[index] = true
    return true
  }
}
