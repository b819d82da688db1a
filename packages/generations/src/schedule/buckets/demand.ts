import { type Amounts, greater, NOTHING, plus, times } from './amounts.ts'

/** Over about this time the pace is a mean. */
const MEMORY_MS = 5000
/** A pace that is known for a shorter time says too little. */
const LEAST_MS = 1000
/** Calls of the size of the latest that are always provided for. */
const PROVIDED = 4

/** At what pace calls go through a bucket: what to provide for. */
export class Demand {
  #recent: Amounts = NOTHING
  #atMs = Number.NEGATIVE_INFINITY
  #sinceMs = Number.POSITIVE_INFINITY
  #latest: Amounts = NOTHING

  count(amounts: Amounts, nowMs: number): void {
    this.#recent = plus(this.#faded(nowMs), amounts)
    this.#atMs = nowMs
    this.#sinceMs = Math.min(this.#sinceMs, nowMs)
    this.#latest = amounts
  }

  requestsPerSecond(nowMs: number): number {
    // Shortly after the first call the mean is over less time.
    const pastMs = Math.max(LEAST_MS, nowMs - this.#sinceMs)
    const overMs = MEMORY_MS * (1 - Math.exp(-pastMs / MEMORY_MS))
    return (this.#faded(nowMs).requests * 1000) / overMs
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
