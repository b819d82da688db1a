/** Time as the code sees it, so that tests can hold it in their hands. */
export type Clock = {
  /** Monotonic milliseconds: for durations and deadlines. */
  readonly now: () => number
  /** Wall-clock milliseconds since the epoch: for what people read and for TTLs. */
  readonly wallNow: () => number
  /** Runs `action` once after `ms`; the timer never keeps the process alive. Returns its cancel. */
  readonly after: (ms: number, action: () => void) => () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
