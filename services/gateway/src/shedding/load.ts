import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { Load } from './pressure.ts'

/** How often the delay is sampled, in ms; it costs a timer each time. */
const RESOLUTION_MS = 10
const NS_PER_MS = 1_000_000

/** Reads what presses on this process; `bodyBytes` is what the door counts. */
export function createLoadReader(bodyBytes: () => number): { read: () => Load; close: () => void } {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()

  return {
    read() {
      const delayMs = Math.max(0, delays.percentile(99) / NS_PER_MS - RESOLUTION_MS)
      delays.reset()
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      return { delayMs, heapShare: used / limit, bodyBytes: bodyBytes() }
    },
    close: () => void delays.disable(),
  }
}
