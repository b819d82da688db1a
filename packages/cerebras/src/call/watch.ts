import { type Clock, PassingMap } from '@loopgate/service-kit'

/** Something with a limit that moves: an assignment, as it happens with each piece of a stream. */
export type Watched = {
  /** The watch's own name for it; only the watch writes it. */
  ticket: number
  /** When it expires, on the monotonic clock. */
  readonly limitAt: number
  readonly expire: () => void
}

export type Watch = {
  readonly add: (item: Watched) => void
  readonly remove: (item: Watched) => void
}

/** Ticks at most this often and at least this often. */
const MIN_TICK_MS = 5
const MAX_TICK_MS = 1000

/**
 * Watches the limits of many calls with one timer, which runs only while there are any. A limit is
 * noticed within a tick, a tenth of the smallest limit: with the usual limits of seconds a call
 * costs no timer at all. A process that stood still first reads what has come meanwhile: a tick that
 * is late by another tick lets nothing expire.
 */
export function createWatch(clock: Clock, smallestLimitMs: number): Watch {
  const tickMs = Math.min(Math.max(smallestLimitMs / 10, MIN_TICK_MS), MAX_TICK_MS)
  const items = new PassingMap<number, Watched>()
  let tickets = 0
  let ticking = false
  let dueAt = 0

  return {
    add(item) {
      item.ticket = tickets++
      items.set(item.ticket, item)
      if (!ticking) schedule()
    },
    remove(item) {
      items.delete(item.ticket)
    },
  }

  function schedule(): void {
    ticking = items.size > 0
    if (!ticking) return
    dueAt = clock.now() + tickMs
    clock.after(tickMs, tick)
  }

  function tick(): void {
    const now = clock.now()
    if (now - dueAt < tickMs) for (const item of items.values()) if (now >= item.limitAt) item.expire()
    schedule()
  }
}
