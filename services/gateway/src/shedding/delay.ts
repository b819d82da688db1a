import { performance } from 'node:perf_hooks'

/** How often the delay is sampled, in ms; it costs a timer each time. */
const EVERY_MS = 10
/**
 * An event loop that finds time to wait for work has no more than it can do: it was late because others
 * had the processor or because of one long turn, and refusing would help nobody. One that finds none is
 * behind, however small its part of a core is.
 */
const BUSY = 0.9

/**
 * Measures how late the event loop is while it is behind. `read` gives the delays since it was last called, in ms,
 * as somebody meets them who comes at any time: the mean, each weighted by how long it lasted. Not by
 * `monitorEventLoopDelay`, whose spread takes 3 ms to read.
 */
export function createDelayReader(): { readonly read: () => number; readonly close: () => void } {
  let before = performance.eventLoopUtilization()
  let sampledAt = performance.now()
  let pastMs = 0
  let weighed = 0
  const timer = setInterval(sample, EVERY_MS).unref()

  return {
    read() {
      // While the loop stands still no timer runs: it has been late since the last one.
      if (performance.now() - sampledAt > 2 * EVERY_MS) sample()
      const delayMs = pastMs === 0 ? 0 : weighed / pastMs
      pastMs = weighed = 0
      const current = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(current, before)
      before = current
      return utilization < BUSY ? 0 : delayMs
    },
    close: () => clearInterval(timer),
  }

  function sample(): void {
    const now = performance.now()
    const tookMs = now - sampledAt
    sampledAt = now
    pastMs += tookMs
    weighed += tookMs * Math.max(0, tookMs - EVERY_MS)
  }
}
