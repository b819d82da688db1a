import type { Outcome } from '@loopgate/contracts'
import type { SessionEnd } from './jail/session.ts'

/** Signals by which the kernel enforces limits of a process. */
const CPU_SIGNAL = 'SIGXCPU'

/**
 * How an execution ended, from what we did and what the kernel counted. The exit status alone never
 * means "out of memory": any program can exit with 137.
 */
export function outcomeOf(end: SessionEnd, cpuLimitMs: number): Outcome {
  if (end.reason === 'fault') return 'internal_error'
  if (end.reason === 'wall' || end.reason === 'cpu') return 'time_limit'
  if (end.reason === 'output') return 'output_limit'
  if (end.oomKills > 0) return 'memory_limit'
  if (end.reason === 'cancelled') return 'killed'
  if (!end.started) return 'internal_error'
  if (end.reason === 'finished') return 'ok'
  if (end.farewell?.kind === 'compile') return 'compile_error'
  if (end.farewell?.kind === 'memory' || isHeapAbort(end)) return 'memory_limit'
  if (end.exitCode === 0) return 'ok'
  if (diedBySignal(end)) {
    const usedUp = end.cpuMs !== null && end.cpuMs >= cpuLimitMs
    return end.signal === CPU_SIGNAL || (end.signal === 'SIGKILL' && usedUp) ? 'time_limit' : 'killed'
  }
  return 'runtime_error'
}

/** A status above 128 is a signal's unless the program said that it was about to exit with it. */
export function diedBySignal(end: SessionEnd): boolean {
  if (end.signal === null) return false
  return !(end.farewell?.kind === 'exit' && Number(end.farewell.text) === end.exitCode)
}

/** V8 aborts when its heap is full; it says so on stderr and dies by SIGABRT. */
function isHeapAbort(end: SessionEnd): boolean {
  return end.signal === 'SIGABRT' && end.stderr.includes('JavaScript heap out of memory')
}
