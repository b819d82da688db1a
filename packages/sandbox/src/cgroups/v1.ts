import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ownPrefix } from '../owner.ts'
import { makeFolder, pidsIn, readField, readNumber, removeFolder, sweep, write } from './files.ts'
import type { Cgroup, CgroupBackend, CgroupLimits } from './types.ts'

/** A controller's folder in which this process may make cgroups. */
export type V1Folders = { readonly memory: string; readonly pids: string; readonly cpuacct: string | null }

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
  const folderOf = (controller: string, id: string) => join(bases.get(controller) ?? '', id)
  return {
    kind: 'v1',
    enforced: ['cgroup-v1:memory', 'cgroup-v1:pids', ...(roots.cpuacct === null ? [] : ['cgroup-v1:cpu-time'])],
    create: (id, limits) => {
      const folders = distinct.map((base) => join(base, id))
      for (const folder of folders) makeFolder(folder)
      limit(folderOf('memory', id), folderOf('pids', id), limits)
      return cgroup(folders, folderOf('memory', id), bases.has('cpuacct') ? folderOf('cpuacct', id) : null)
    },
    close: async () => {
      await Promise.all(distinct.map(removeFolder))
    },
  }
}

function limit(memory: string, pids: string, limits: CgroupLimits): void {
  write(join(memory, 'memory.limit_in_bytes'), limits.memoryBytes)
  // Memory and swap together, where the kernel accounts for swap.
  const swap = join(memory, 'memory.memsw.limit_in_bytes')
  if (existsSync(swap)) write(swap, limits.memoryBytes)
  write(join(pids, 'pids.max'), limits.processes)
}

function cgroup(folders: readonly string[], memory: string, cpuacct: string | null): Cgroup {
  const cpuMs = () => {
    const nanoseconds = cpuacct === null ? null : readNumber(join(cpuacct, 'cpuacct.usage'))
    return nanoseconds === null ? null : nanoseconds / 1e6
  }
  return {
    // Not synchronous: a move waits for a grace period of the kernel, 4 ms under load.
    add: async (pid) => {
      await Promise.all(folders.map((folder) => writeFile(join(folder, 'cgroup.procs'), String(pid))))
    },
    cpuMs,
    usage: () => ({
      cpuMs: cpuMs(),
      peakMemoryBytes: readNumber(join(memory, 'memory.max_usage_in_bytes')),
      oomKills: readField(join(memory, 'memory.oom_control'), 'oom_kill') ?? 0,
    }),
    isEmpty: () => pidsIn(memory).length === 0,
    remove: async () => {
      await Promise.all(folders.map(removeFolder))
    },
  }
}
