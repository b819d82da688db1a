import { readFileSync } from 'node:fs'

/**
 * Names of folders and cgroups carry the process that made them, so that the next start can tell a
 * leftover from a neighbour's: its pid and, since pids are reused, the clock tick of its start.
 */
export const OWNED_PREFIX = 'loopgate-sandbox-'

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

/** The name prefix of what this process owns; the rest of the name has to be unique within the process. */
export function ownPrefix(): string {
  return `${OWNED_PREFIX}${process.pid}-${startTicks('self') ?? '0'}-`
}

/** Whether a name was made by a process that no longer lives. Foreign names are never leftovers. */
export function isLeftover(name: string): boolean {
  const match = /^loopgate-sandbox-(\d+)-(\d+)-/.exec(name)
  if (match === null) return false
  return startTicks(Number(match[1])) !== match[2]
}
