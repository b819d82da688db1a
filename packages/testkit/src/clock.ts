import type { Clock } from '@loopgate/service-kit'

export type ManualClock = Clock & {
  /** Moves time on by `ms` and runs what falls due on the way, in order. */
  readonly advance: (ms: number) => void
}

/** A clock that stands still until it is moved. */
export function manualClock(startWallMs = 1_800_000_000_000): ManualClock {
  let nowMs = 0
  let serial = 0
  const timers = new Map<number, { at: number; action: () => void }>()

  const due = (until: number) =>
    [...timers].filter(([, timer]) => timer.at <= until).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]

  return {
    now: () => nowMs,
    wallNow: () => startWallMs + nowMs,
    after(ms, action) {
      const id = ++serial
      timers.set(id, { at: nowMs + ms, action })
      return () => timers.delete(id)
    },
    advance(ms) {
      const until = nowMs + ms
      for (let next = due(until); next !== undefined; next = due(until)) {
        const [id, { at, action }] = next
        timers.delete(id)
        nowMs = Math.max(nowMs, at)
        action()
      }
      nowMs = until
    },
  }
}
