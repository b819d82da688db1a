import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How often the delay is sampled, in ms; it costs a timer each time. */
const RESOLUTION_MS = 10
const NS_PER_MS = 1_000_000
/**
 * An event loop that finds time to wait for work has no more than it can do: it was late because others
 * had the processor or because of one long turn, and refusing would help nobody. One that finds none is
 * behind, however small its part of a core is.
 */
const BUSY = 0.9

/** Measures how late the event loop is while it is behind: `read` gives the mean since it was last called, in ms. */
export function createDelayReader(): { readonly read: () => number; readonly close: () => void } {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  let before = performance.eventLoopUtilization()
  let at = performance.now()

  return {
    read() {
      const now = performance.now()
      // While the loop stands still nothing is sampled: it was late for all of the time since the last look.
      const meanMs = delays.count === 0 ? now - at : metByAnyone(delays) / NS_PER_MS - RESOLUTION_MS
      delays.reset()
      at = now
      const current = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(current, before)
      before = current
      return utilization < BUSY ? 0 : Math.max(0, meanMs)
    },
    close: () => void delays.disable(),
  }
}

/** The mean of the delays weighted by how long each lasted: what somebody meets who comes at any time, in ns. */
function metByAnyone({ mean, stddev }: { mean: number; stddev: number }): number {
  return mean + stddev ** 2 / mean
}
