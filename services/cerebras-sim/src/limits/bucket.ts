/** A token bucket that refills continuously from empty to full in one window. All times in monotonic ms. */
export type Bucket = {
  readonly capacity: number
  /** What is left, reservations not subtracted; a fraction, and below 0 after an overrun. */
  readonly available: (nowMs: number) => number
  /** Whether `amount` fits beside what is reserved already. */
  readonly fits: (amount: number, nowMs: number) => boolean
  readonly reserve: (amount: number) => void
  /** Gives a reservation back and takes what was really used. */
  readonly settle: (reserved: number, used: number, nowMs: number) => void
}

/** A full bucket of `capacity` units a window. One caller at a time (everything is synchronous). */
export function createBucket(capacity: number, windowMs: number, startMs: number): Bucket {
  let level = capacity
  let updatedMs = startMs
  let reserved = 0

  const available = (nowMs: number): number => {
    if (nowMs > updatedMs) {
      level = Math.min(capacity, level + ((nowMs - updatedMs) * capacity) / windowMs)
      updatedMs = nowMs
    }
    return level
  }

  return {
    capacity,
    available,
    fits: (amount, nowMs) => amount <= available(nowMs) - reserved,
    reserve: (amount) => {
      reserved += amount
    },
    settle: (given, used, nowMs) => {
      reserved -= given
      level = available(nowMs) - used
    },
  }
}
