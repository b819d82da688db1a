import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the delay is sampled, in ms; it costs a timer each time. */
const RESOLUTION_MS = 10
const NS_PER_MS = 1_000_000
/**
 * A process that is given less of a core than this is late because others have it, and would be late
 * without any work: refusing would help nobody.
 */
const OWN_SHARE = 0.35

/** Measures how late the event loop is by its own work: `read` gives the mean since it was last called, in ms. */
export function createDelayReader(): { readonly read: () => number; readonly close: () => void } {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  let cpu = process.cpuUsage()
  let at = performance.now()

  return {
    read() {
      // While the loop stands still nothing is sampled: it was late for all of the time since the last look.
      const meanMs = delays.count === 0 ? performance.now() - at : delays.mean / NS_PER_MS - RESOLUTION_MS
      delays.reset()
      return ownShare() < OWN_SHARE ? 0 : Math.max(0, meanMs)
    },
    close: () => void delays.disable(),
  }

  function ownShare(): number {
    const { user, system } = process.cpuUsage(cpu)
    const elapsedMs = performance.now() - at
    cpu = process.cpuUsage()
    at += elapsedMs
    return (user + system) / 1000 / elapsedMs
  }
}
