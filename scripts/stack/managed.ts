import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StackError } from './ports.ts'

export type ProcessSpec = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly logFile: string
  /** Resolves once the process answers; asked again until it does or READY_WITHIN_MS have passed. */
  readonly ready: () => Promise<boolean>
}

export type Managed = {
  readonly name: string
  readonly pid: () => number
  readonly stop: () => Promise<void>
}

export type ManagedEvents = {
  /** Something a person should read: an exit, a restart. */
  readonly say: (text: string) => void
  readonly restarted: () => void
  /** The process is beyond help; the stack has to stop. */
  readonly gaveUp: (reason: string) => void
  /** Exits of one process within a minute beyond which the stack gives up; default 5. */
  readonly restartsPerMinute?: number
}

const READY_WITHIN_MS = 30_000
const POLL_MS = 40
/** Longest wait for a process to stop by itself before it is killed. */
const GRACE_MS = 10_000
const EXIT_WINDOW_MS = 60_000

/**
 * Starts a process and keeps it up: an unexpected exit is told and answered with a restart, never
 * silently. The child has a process group of its own, so that Ctrl-C reaches only us and the stack
 * stops in order, and an IPC channel, so that it stops by itself should we be killed.
 */
export async function startManaged(spec: ProcessSpec, events: ManagedEvents): Promise<Managed> {
  let child = launch(spec)
  let stopping = false
  const { restartsPerMinute = 5 } = events
  const exits: number[] = []

  const watch = (current: ChildProcess): void => {
    current.once('exit', (code, signal) => {
      if (stopping) return
      const how = signal ? `was killed by ${signal}` : `ended with code ${code}`
      const now = performance.now()
      exits.push(now)
      if (exits.filter((at) => now - at < EXIT_WINDOW_MS).length > restartsPerMinute) {
        events.gaveUp(
          `${spec.name} ${how}, for the ${restartsPerMinute + 1}th time in a minute.\n${tail(spec.logFile)}`,
        )
        return
      }
      events.say(`${spec.name} (pid ${current.pid}) ${how}; starting it again`)
      void restart()
    })
  }
  const restart = async (): Promise<void> => {
    await delay(100 * 2 ** Math.min(exits.length, 5))
    if (stopping) return
    child = launch(spec)
    watch(child)
    events.restarted()
  }

  try {
    await untilReady(spec, child)
  } catch (error) {
    stopping = true
    await stopChild(child)
    throw error
  }
  watch(child)
  return {
    name: spec.name,
    pid: () => child.pid as number,
    stop: async () => {
      stopping = true
      await stopChild(child)
    },
  }
}

function launch(spec: ProcessSpec): ChildProcess {
  mkdirSync(dirname(spec.logFile), { recursive: true })
  const log = openSync(spec.logFile, 'a')
  try {
    const stdio =
      spec.command === process.execPath ? (['ignore', log, log, 'ipc'] as const) : (['ignore', log, log] as const)
    const child = spawn(spec.command, [...spec.args], { env: spec.env, stdio: [...stdio], detached: true })
    child.on('error', () => {}) // told by `exit` or by the readiness time-out
    return child
  } finally {
    closeSync(log)
  }
}

async function untilReady(spec: ProcessSpec, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (!(await spec.ready())) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new StackError(`${spec.name} did not start:\n${tail(spec.logFile)}`)
    }
    if (performance.now() > deadline) {
      throw new StackError(`${spec.name} was not ready within ${READY_WITHIN_MS / 1000} s:\n${tail(spec.logFile)}`)
    }
    await delay(POLL_MS)
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited
  clearTimeout(timer)
}

/** The last lines of a log, for a message that explains itself. */
function tail(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-12).join('\n')
  } catch {
    return `(no log at ${logFile})`
  }
}
