const FIRST_MS = 100
const LONGEST_MS = 10_000

/** Pauses between tries to reach a gateway: doubling, and anywhere in the upper half, so that runners do not come back together. */
export function createBackoff(random: () => number = Math.random): { next: () => number; reset: () => void } {
  let ceilingMs = FIRST_MS
  return {
    next: () => {
      const pauseMs = ceilingMs * (0.5 + random() / 2)
      ceilingMs = Math.min(ceilingMs * 2, LONGEST_MS)
      return pauseMs
    },
    reset: () => {
      ceilingMs = FIRST_MS
    },
  }
}
