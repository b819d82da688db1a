import { readdirSync, readFileSync } from 'node:fs'

/** Pids of every process that a process has started, directly or not. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const parent = parentOf(name)
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  for (const next = [pid]; next.length > 0;) {
    const below = children.get(next.pop() ?? -1) ?? []
    found.push(...below)
    next.push(...below)
  }
  return found
}

function parentOf(name: string): number | null {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return null // it has ended meanwhile
  }
}

/** Memory of processes, each shared page divided by the number of those that share it (proc(5), smaps_rollup), in bytes. */
export function proportionalBytes(pids: readonly number[]): number {
  let kibibytes = 0
  for (const pid of pids) {
    try {
      kibibytes += Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      // it has ended, or may not be looked into
    }
  }
  return kibibytes * 1024
}
