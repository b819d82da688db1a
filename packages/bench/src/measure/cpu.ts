import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time that the processes have used so far, in microseconds: the sum over their threads of the
 * first field of schedstat (nanoseconds on a CPU; proc(5)). A thread that ended is no longer counted,
 * so take differences only over stretches in which none ends.
 */
export function cpuUs(pids: readonly number[]): number {
  let ns = 0
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    }
  }
  return ns / 1000
}
