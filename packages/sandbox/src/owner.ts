import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names of folders and cgroups carry the process that made them, so that the next start can tell a
 * leftover from a neighbour's: its pid namespace, its pid in there and, since pids are reused, the
 * clock tick of its start. Runners in containers may share a folder without sharing pids.
 */
const NAME = /^loopgate-sandbox-(\d+)-(\d+)-(\d+)-/

/** Clock tick since boot at which a process started (field 22 of proc(5) stat), or null if it is gone. */
export function startTicks(pid: number | 'self'): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command, field 2, may hold spaces and brackets: count from its last bracket.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
}

/** The name prefix of what this process owns; the rest of the name has to be unique within the process. */
export function ownPrefix(): string {
  return `loopgate-sandbox-${pidNamespace()}-${process.pid}-${startTicks('self') ?? '0'}-`
}

/**
 * Whose a name is: a process that is `alive`, a `leftover` of a process that is dead, of a `foreign` pid
 * namespace about whose processes nothing can be known here, or none of this program's.
 */
export function ownerOf(name: string): 'alive' | 'leftover' | 'foreign' | 'other' {
  const match = NAME.exec(name)
  if (match === null) return 'other'
  if (match[1] !== pidNamespace()) return 'foreign'
  return startTicks(Number(match[2])) === match[3] ? 'alive' : 'leftover'
}
