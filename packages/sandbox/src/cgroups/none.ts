import { readText } from './files.ts'
import type { CgroupBackend } from './types.ts'

/** Clock ticks of /proc/<pid>/stat in a second: USER_HZ, 100 on every architecture that Node supports. */
const TICKS_PER_SECOND = 100

/**
 * Without cgroups: CPU time is read from procfs while the sandbox lives, and memory is bounded only
 * by the limits of each process.
 */
export function createNoCgroups(): CgroupBackend {
  return {
    kind: 'none',
    enforced: [],
    create: () => {
      let root: number | null = null
      let lastMs: number | null = null
      const cpuMs = () => {
        if (root === null) return null
        const ticks = treeTicks(root, 0)
        if (ticks !== null) lastMs = Math.max(lastMs ?? 0, (ticks * 1000) / TICKS_PER_SECOND)
        return lastMs
      }
      return {
        add: async (pid, init = pid) => {
          root = init
        },
        limit: () => {},
        cpuMs,
        usage: () => ({ cpuMs: lastMs, peakMemoryBytes: null, oomKills: 0, pidsMaxHits: 0 }),
        isEmpty: () => root === null || isZombie(root),
        remove: async () => {},
      }
    },
    close: async () => {},
  }
}

function isZombie(pid: number): boolean {
  const stat = readText(`/proc/${pid}/stat`)
  return stat === null || stat.charAt(stat.lastIndexOf(')') + 2) === 'Z'
}

/** CPU ticks of a process and its descendants, living and waited for; null if it is gone. */
function treeTicks(pid: number, depth: number): number | null {
  const stat = readText(`/proc/${pid}/stat`)
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
  const own = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  if (depth > 64) return own
  const children = (readText(`/proc/${pid}/task/${pid}/children`) ?? '').trim().split(' ').filter(Boolean)
  return children.reduce((sum, child) => sum + (treeTicks(Number(child), depth + 1) ?? 0), own)
}
