import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '@loopgate/service-kit'
import type { Cgroup } from '../cgroups/types.ts'

/** How long output may trickle in after the exit, e.g. from a pipe's buffer; nothing inside lives by then. */
const DRAIN_MS = 250

export function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // dead already
  }
}

/** Settles on the exit itself: a pipe may be held open by whoever it was passed to. */
export function exitOf(child: ChildProcess): Promise<{ code: number | null; failed: string | null }> {
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve({ code, failed: null }))
    child.once('error', (error) => resolve({ code: null, failed: error.message }))
  })
}

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

/** bubblewrap folds a death by signal into 128 + n, as a shell does. */
export function exitStatus(code: number | null): { exitCode: number | null; signal: string | null } {
  if (code === null) return { exitCode: null, signal: 'SIGKILL' }
  return { exitCode: code, signal: code > 128 ? (SIGNAL_NAMES.get(code - 128) ?? null) : null }
}

/** Waits for the end of each stream, but not for ever: a descriptor may have been passed somewhere. */
export function drained(clock: Clock, streams: ReadonlyArray<Readable | null>): Promise<void> {
  return new Promise((resolve) => {
    const open = new Set(streams.filter((stream) => stream !== null && !stream.readableEnded && !stream.destroyed))
    // One more look at the streams: where this process itself stood still, timers come first.
    const cancel = clock.after(DRAIN_MS, () => setImmediate(resolve))
    const settle = () => {
      cancel()
      resolve()
    }
    if (open.size === 0) settle()
    for (const stream of open) {
      stream?.once('close', () => {
        open.delete(stream)
        if (open.size === 0) settle()
      })
      stream?.resume()
    }
  })
}

/** Waits until nothing lives in the cgroup, which is a matter of a millisecond once its init is dead. */
export async function emptied(cgroup: Cgroup): Promise<void> {
  for (let pauseMs = 1; pauseMs <= 1024 && !cgroup.isEmpty(); pauseMs *= 2) await delay(pauseMs)
}
