import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ownPrefix } from '../owner.ts'
import { SHARES_V1 } from './cpu-share.ts'
import { makeFolder, move, pidsIn, readField, readNumber, removeFolder, sweep, write } from './files.ts'
import type { Cgroup, CgroupBackend, CgroupLimits } from './types.ts'

/** A controller's folder in which this process may make cgroups; null for one that is not there. */
export type V1Folders = {
  readonly memory: string
  readonly pids: string
  readonly cpuacct: string | null
  readonly cpu: string | null
}

const SWAP_LIMIT = 'memory.memsw.limit_in_bytes'

/**
 * One hierarchy a controller. @throws Error if the folders cannot be written
 */
export function createV1Backend(roots: V1Folders): CgroupBackend {
  const name = `${ownPrefix()}${randomBytes(4).toString('hex')}`
  const bases = new Map(
    Object.entries(roots)
      .filter((entry): entry is [string, string] => entry[1] !== null)
      .map(([controller, root]) => [controller, join(root, name)]),
  )
  const distinct = [...new Set(bases.values())]
  for (const root of new Set(Object.values(roots))) if (root !== null) sweep(root)
  for (const base of distinct) makeFolder(base)
  const cpu = bases.get('cpu')
  if (cpu !== undefined) write(join(cpu, 'cpu.shares'), SHARES_V1)
  // Memory and swap together, where the kernel accounts for swap.
  const countsSwap = existsSync(join(bases.get('memory') ?? '', SWAP_LIMIT))
  const folderOf = (controller: string, id: string) => join(bases.get(controller) ?? '', id)
  return {
    kind: 'v1',
    enforced: [
      'cgroup-v1:memory',
      'cgroup-v1:pids',
      ...(roots.cpuacct === null ? [] : ['cgroup-v1:cpu-time']),
      ...(cpu === undefined ? [] : ['cgroup-v1:cpu-share']),
    ],
    create: (id, limits) => {
      const folders = distinct.map((base) => join(base, id))
      for (const folder of folders) makeFolder(folder)
      const [memory, pids] = [folderOf('memory', id), folderOf('pids', id)]
      let memoryBytes = 0
      const limit = (to: CgroupLimits) => {
        // At no moment may the limit of both together be below that of memory alone.
        const files = countsSwap ? ['memory.limit_in_bytes', SWAP_LIMIT] : ['memory.limit_in_bytes']
        if (memoryBytes > 0 && to.memoryBytes > memoryBytes) files.reverse()
        for (const file of files) write(join(memory, file), to.memoryBytes)
        write(join(pids, 'pids.max'), to.processes)
        memoryBytes = to.memoryBytes
      }
      limit(limits)
      return cgroup({ folders, memory, pids, cpuacct: bases.has('cpuacct') ? folderOf('cpuacct', id) : null }, limit)
    },
    close: async () => {
      await Promise.all(distinct.map(removeFolder))
    },
  }
}

type Folders = Omit<V1Folders, 'cpu'> & { readonly folders: readonly string[] }

function cgroup({ folders, memory, pids, cpuacct }: Folders, limit: Cgroup['limit']): Cgroup {
  const cpuMs = () => {
    const nanoseconds = cpuacct === null ? null : readNumber(join(cpuacct, 'cpuacct.usage'))
    return nanoseconds === null ? null : nanoseconds / 1e6
  }
  return {
    add: async (pid) => {
      await Promise.all(folders.map((folder) => move(pid, folder)))
    },
    limit,
    cpuMs,
    usage: () => ({
      cpuMs: cpuMs(),
      peakMemoryBytes: readNumber(join(memory, 'memory.max_usage_in_bytes')),
      oomKills: readField(join(memory, 'memory.oom_control'), 'oom_kill') ?? 0,
      pidsMaxHits: readField(join(pids, 'pids.events'), 'max') ?? 0,
    }),
    // Not by pids.current: it counts a dead init too, until whoever adopted it asks after it, which may be seconds.
    isEmpty: () => pidsIn(memory).length === 0,
    remove: async () => {
      await Promise.all(folders.map(removeFolder))
    },
  }
}
