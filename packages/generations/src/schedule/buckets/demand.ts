import { type Amounts, greater, NOTHING, plus, times } from './amounts.ts'

/** Over about this time the pace is a mean. */
const MEMORY_MS = 5000
/** Calls of the size of the latest that are always provided for. */
const PROVIDED = 4

/** At what pace calls go through a bucket: what to provide for. */
export class Demand {
  #recent: Amounts = NOTHING
  #atMs = Number.NEGATIVE_INFINITY
  #latest: Amounts = NOTHING

  count(amounts: Amounts, nowMs: number): void {
    this.#recent = plus(this.#faded(nowMs), amounts)
    this.#atMs = nowMs
    this.#latest = amounts
  }

  requestsPerSecond(nowMs: number): number {
    return (this.#faded(nowMs).requests * 1000) / MEMORY_MS
  }

  /** What will be needed in the next seconds, if all goes on as it went. */
  soon(nowMs: number, seconds: number): Amounts {
    const expected = times(this.#faded(nowMs), (seconds * 1000) / MEMORY_MS)
    const least = times(this.#latest, PROVIDED * seconds)
    return greater(expected, least)
  }

  /** Since the latest call. */
  idleMs(nowMs: number): number {
    return nowMs - this.#atMs
  }

  #faded(nowMs: number): Amounts {
    return times(this.#recent, Math.exp(-Math.max(0, nowMs - this.#atMs) / MEMORY_MS))
  }
}
