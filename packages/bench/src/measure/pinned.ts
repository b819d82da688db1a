import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Which core runs what: the gateway under test has one alone. */
export const CORES = { load: 0, gateway: 1 } as const

export type Pinned = {
  readonly pid: number
  /** Resolves with the first line of its output. */
  readonly firstLine: () => Promise<string>
  /** Waits until the URL answers at all; throws with the end of the log if it does not within 30 s. */
  readonly answers: (url: string) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Longest start of any target. Measured: the slowest, Portkey, listens after about 2 s. */
const START_MS = 30_000

/** Starts a program on one core, or on those of a list such as "0-1", with an environment of its own; its output goes to a log file. */
export function startPinned(
  name: string,
  core: number | string,
  command: readonly string[],
  options: { readonly logFolder: string; readonly env?: Readonly<Record<string, string>>; readonly cwd?: string },
): Pinned {
  const log = join(options.logFolder, `${name}.log`)
  const file = openSync(log, 'w')
  const child = spawn('taskset', ['-c', String(core), ...command], {
    stdio: ['ignore', 'pipe', file],
    env: { PATH: process.env['PATH'] ?? '', HOME: options.logFolder, ...options.env },
    cwd: options.cwd ?? options.logFolder,
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const line = firstLine(child)
  line.catch(() => {})
  const failed = (why: string) => new Error(`${name} ${why}: ${lastError(log)} (${log})`)
  return {
    pid: child.pid ?? -1,
    firstLine: async () => {
      const text = await line
      if (text === undefined) throw failed('ended before it said anything')
      return text
    },
    answers: async (url) => {
      const deadline = Date.now() + START_MS
      while (!(await respondsTo(url))) {
        if (child.exitCode !== null || child.pid === undefined) throw failed('did not start')
        if (Date.now() > deadline) throw failed(`does not answer at ${url}`)
        await delay(50)
      }
    },
    stop: async () => {
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), 5000)
      await exited
      clearTimeout(hard)
    },
  }
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  if (!child.stdout) return undefined
  let text = ''
  for await (const part of child.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += part.toString()
    if (text.includes('\n')) {
      child.stdout.resume()
      return text.slice(0, text.indexOf('\n'))
    }
  }
  return undefined
}

async function respondsTo(url: string): Promise<boolean> {
  const request = get(url, { agent: false })
  try {
    const [response] = (await once(request, 'response')) as [{ resume: () => void }]
    response.resume()
    return true
  } catch {
    return false
  }
}

/** The line of a log that most likely says what was wrong. */
function lastError(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return lines.findLast((line) => /error|fault|cannot|refused/i.test(line)) ?? lines.at(-1) ?? 'it said nothing'
}
