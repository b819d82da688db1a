import type { Clock } from '@loopgate/service-kit'

/** Shortest pause between two looks at the CPU time: what a limit may be overrun by, times the cores used. */
const SHORTEST_MS = 20

/**
 * Calls `onExceeded` once the CPU time passes the limit. A process on one core cannot pass it before
 * as much time has gone by, so the pauses shrink with what is left; half, since it may use two.
 * Returns its stop.
 */
export function watchCpu(clock: Clock, cpuMs: () => number, limitMs: number, onExceeded: () => void): () => void {
  let cancel = () => {}
  const look = () => {
    const leftMs = limitMs - cpuMs()
    if (leftMs <= 0) onExceeded()
    else cancel = clock.after(Math.max(SHORTEST_MS, leftMs / 2), look)
  }
  cancel = clock.after(Math.max(SHORTEST_MS, limitMs / 2), look)
  return () => cancel()
}
