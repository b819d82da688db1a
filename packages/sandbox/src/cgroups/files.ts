import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdir,
  rmdirSync,
  write as writeDescriptor,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ownerOf } from '../owner.ts'

export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

export function readNumber(path: string): number | null {
  const text = readText(path)?.trim()
  return text === undefined || !/^\d+$/.test(text) ? null : Number(text)
}

/** The value of `name` in a file of "name value" lines. */
export function readField(path: string, name: string): number | null {
  const line = readText(path)
    ?.split('\n')
    .find((each) => each.startsWith(`${name} `))
  return line === undefined ? null : Number(line.slice(name.length + 1))
}

export function pidsIn(folder: string): number[] {
  return (readText(join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number)
}

/** Pauses between tries to remove a cgroup: the kernel may take some milliseconds to let go of dead processes. */
const RETRY_MS = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 2000]

/** How long the removal of a cgroup may wait for others: each wakes a thread of the pool if it comes alone. */
const TOGETHER_MS = 50
let waiting: Array<() => void> = []

/** Settles with everything else that has come here within TOGETHER_MS. */
function together(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (waiting.length > 1) return
    setTimeout(() => {
      const all = waiting
      waiting = []
      for (const go of all) go()
    }, TOGETHER_MS)
  })
}

/**
 * Removes an empty cgroup, waiting for it to become so. Never throws. Not on this thread: measured, one removal in a
 * hundred waits for 10 ms in the kernel, the longest for 75.
 */
export async function removeFolder(folder: string): Promise<void> {
  await together()
  for (const pauseMs of RETRY_MS) {
    // By callback: each promise of the file system costs a turn more, and this is paid by each execution.
    const code = await new Promise<string | undefined>((resolve) => rmdir(folder, (error) => resolve(error?.code)))
    if (code !== 'EBUSY') return
    await delay(pauseMs)
  }
}

/**
 * Moves a process into a cgroup. Only the write itself leaves this thread: it waits for a grace period of the
 * kernel, 4 ms under load, while opening and closing take microseconds and a turn of the thread pool ten times that.
 */
export async function move(pid: number, folder: string): Promise<void> {
  const descriptor = openSync(join(folder, 'cgroup.procs'), 'w')
  try {
    await new Promise<void>((resolve, reject) => {
      writeDescriptor(descriptor, String(pid), (error) => (error === null ? resolve() : reject(error)))
    })
  } finally {
    closeSync(descriptor)
  }
}

/** Kills and removes the cgroups that dead processes of this program left in `parent`. */
export function sweep(parent: string): void {
  for (const name of folders(parent).filter((each) => ownerOf(each) === 'leftover')) {
    for (const child of folders(join(parent, name))) clear(join(parent, name, child))
    clear(join(parent, name))
  }
}

function folders(parent: string): string[] {
  try {
    return readdirSync(parent, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    return []
  }
}

function clear(folder: string): void {
  for (const pid of pidsIn(folder)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // gone meanwhile
    }
  }
  try {
    rmdirSync(folder)
  } catch {
    // still dying: the next start removes it
  }
}

export function makeFolder(path: string): void {
  mkdirSync(path, { mode: 0o755 })
}

export function write(path: string, value: number | string): void {
  writeFileSync(path, String(value))
}
