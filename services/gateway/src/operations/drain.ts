/** Whether the process is on its way out. Set once, never unset. */
export type Drain = {
  readonly started: boolean
  readonly start: () => void
  /** Calls back when the drain starts, at once if it has. Returns the way to take that back. */
  readonly onStart: (listener: () => void) => () => void
}

/** Makes the flag that readiness, event streams and the runner hub share. */
export function createDrain(): Drain {
  const listeners = new Set<() => void>()
  let started = false
  return {
    get started() {
      return started
    },
    start() {
      if (started) return
      started = true
      for (const listener of listeners) listener()
      listeners.clear()
    },
    onStart(listener) {
      if (started) listener()
      else listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
