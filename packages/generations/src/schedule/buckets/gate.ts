import type { PauseLength } from '../types.ts'

/** How long a first call may be the only one, until the next is let through whatever became of it. */
const PROBE_MS = 1000
/** How much faster than they came before those who waited for the end of a pause are let go. */
const RELEASE_FACTOR = 1.5
/** Slowest release, a second, where nothing is known of the pace before. */
const LEAST_PER_SECOND = 10
/** A bound of the release that was guessed gives way slowly. */
const GROWTH_PER_SECOND = 1.02

/**
 * The way to one bucket: open, or closed for a while after the provider has said no. All who were
 * refused in that while are one pause. What has gathered meanwhile is let go at a steady pace, and only
 * once a first call has got through: else the end of a pause is the beginning of the next.
 */
export class Gate {
  #pausedUntilMs = 0
  #probing = false
  #probeAtMs = Number.NEGATIVE_INFINITY
  /** Releases a second; unbounded while nothing has gathered. */
  #perSecond = Number.POSITIVE_INFINITY
  #paceSinceMs = 0
  #nextAtMs = 0
  /** Pauses in a row after which no call got through. */
  #inARow = 0

  /** A call was refused that had gone through at that time: how long a pause that calls for, in ms. */
  refused({ firstMs, atMostMs }: PauseLength, passedAtMs: number): number {
    // Those who were on their way when a pause began are part of it.
    if (passedAtMs >= this.#pausedUntilMs) this.#inARow++
    return Math.min(atMostMs, firstMs * 2 ** Math.max(0, this.#inARow - 1))
  }

  /** True if it was open: a pause begins. A longer one replaces a shorter. */
  pause(untilMs: number, nowMs: number, usualPerSecond: number): boolean {
    const begins = nowMs >= this.#pausedUntilMs
    if (untilMs > this.#pausedUntilMs) this.#pausedUntilMs = untilMs
    this.#probing = true
    this.#probeAtMs = Number.NEGATIVE_INFINITY
    // A second pause in a row says nothing new about the usual pace.
    if (this.#perSecond === Number.POSITIVE_INFINITY) {
      this.#perSecond = Math.max(LEAST_PER_SECOND, usualPerSecond * RELEASE_FACTOR)
    }
    return begins
  }

  pausedForMs(nowMs: number): number {
    return Math.max(0, this.#pausedUntilMs - nowMs)
  }

  /** When the next call may go through; now or earlier: at once. */
  opensAtMs(): number {
    if (this.#probing) return Math.max(this.#pausedUntilMs, this.#probeAtMs + PROBE_MS)
    return Math.max(this.#pausedUntilMs, this.#nextAtMs)
  }

  /** A call goes through. */
  passed(nowMs: number): void {
    if (this.#probing) this.#probeAtMs = nowMs
    if (this.#perSecond === Number.POSITIVE_INFINITY) return
    const grown = this.#perSecond * GROWTH_PER_SECOND ** (Math.max(0, nowMs - this.#paceSinceMs) / 1000)
    // Late timers are made up for, but by one call only.
    this.#nextAtMs = Math.max(this.#nextAtMs, nowMs - 1000 / grown) + 1000 / grown
  }

  /** The provider has taken a call that went through at that time; one from before the pause says nothing of its end. */
  taken(nowMs: number, passedAtMs: number): void {
    if (!this.#probing || passedAtMs < this.#pausedUntilMs) return
    this.#probing = false
    this.#inARow = 0
    this.#paceSinceMs = nowMs
  }

  /** Nobody waits any more: the pace ends. */
  calm(nowMs: number): void {
    if (!this.#probing && nowMs >= this.#pausedUntilMs) this.#perSecond = Number.POSITIVE_INFINITY
  }
}
