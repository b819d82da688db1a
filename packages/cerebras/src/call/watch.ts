import type { Clock } from '@loopgate/service-kit'

/** Something with a limit that moves: an assignment, as it happens with each piece of a stream. */
export type Watched = {
  /** Where the watch has it; only the watch writes it. */
  place: number
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
  // No Set: V8's replaces its table every few dozen calls and ties each old one to the next, so that one which has
  // grown old keeps all later ones, and every call in them, from young collections (8 KB a call).
  const items: Watched[] = []
  let ticking = false
  let dueAt = 0

  return {
    add(item) {
      item.place = items.push(item) - 1
      if (!ticking) schedule()
    },
    remove(item) {
      const last = items.at(-1)
      if (last === undefined || !has(item)) return
      items[item.place] = last
      last.place = item.place
      items.pop()
    },
  }

  function has(item: Watched): boolean {
    return items[item.place] === item
  }

  function schedule(): void {
    ticking = items.length > 0
    if (!ticking) return
    dueAt = clock.now() + tickMs
    clock.after(tickMs, tick)
  }

  function tick(): void {
    const now = clock.now()
    const due = now - dueAt < tickMs ? items.filter(({ limitAt }) => now >= limitAt) : []
    // One that expires may take others with it.
    for (const item of due) if (has(item)) item.expire()
    schedule()
  }
}
