import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What this process and those below it hold at one moment at which nothing runs. */
export type Held = {
  /** After a full collection. */
  readonly heapBytes: number
  readonly rssBytes: number
  /** Processes below this one: servers of forks, hosts of isolates, sandboxes that wait. */
  readonly processes: number
  readonly processesRssBytes: number
  readonly cgroups: number
  readonly descriptors: number
  readonly mounts: number
  readonly files: number
}

const FOLDERS_OF_SANDBOXES = /^loopgate-sandbox-\d+-(\d+)-/

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

export function heldNow(): Held {
  collect()
  const below = descendants()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    processes: below.length,
    processesRssBytes: below.reduce((sum, pid) => sum + fieldOf(pid, 'VmRSS') * 1024, 0),
    cgroups: ownCgroups('/sys/fs/cgroup', 0),
    descriptors: readdirSync('/proc/self/fd').length,
    mounts: readText('/proc/self/mountinfo').split('\n').length,
    files: ownFiles(),
  }
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function fieldOf(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(readText(`/proc/${pid}/status`))?.[1] ?? 0)
}

function descendants(): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), fieldOf(Number(name), 'PPid')]),
  )
  const isBelow = (pid: number): boolean => {
    for (let each = parents.get(pid) ?? 0; each > 1; each = parents.get(each) ?? 0)
      if (each === process.pid) return true
    return false
  }
  return [...parents.keys()].filter(isBelow)
}

/** Cgroups of single sandboxes of this process, in whatever hierarchy. */
function ownCgroups(folder: string, depth: number): number {
  let count = 0
  for (const name of foldersIn(folder)) {
    const path = join(folder, name)
    if (isOurs(name)) count += foldersIn(path).length
    else if (depth < 3) count += ownCgroups(path, depth + 1)
  }
  return count
}

function ownFiles(): number {
  const ours = readdirSync(tmpdir()).filter(isOurs)
  return ours.reduce((sum, name) => sum + readdirSync(join(tmpdir(), name), { recursive: true }).length, ours.length)
}

const isOurs = (name: string): boolean => FOLDERS_OF_SANDBOXES.exec(name)?.[1] === String(process.pid)

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}
