import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the delay is sampled, in ms; it costs a timer each time. */
const RESOLUTION_MS = 10
const NS_PER_MS = 1_000_000

/** Measures how late the event loop is: `read` gives the mean since it was last called, in ms. */
export function createDelayReader(): { readonly read: () => number; readonly close: () => void } {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  return {
    read() {
      // While the loop stands still nothing is sampled: then what is known is that it was no better.
      const meanMs = delays.count === 0 ? Number.POSITIVE_INFINITY : delays.mean / NS_PER_MS - RESOLUTION_MS
      delays.reset()
      return Math.max(0, meanMs)
    },
    close: () => void delays.disable(),
  }
}
