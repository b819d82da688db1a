import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ownPrefix } from '../owner.ts'
import { WEIGHT_V2 } from './cpu-share.ts'
import { makeFolder, move, pidsIn, readField, readNumber, readText, removeFolder, sweep, write } from './files.ts'
import type { CgroupBackend, CgroupLimits } from './types.ts'

/**
 * The unified hierarchy, in a subtree that was delegated to this process (its own cgroup, or the
 * root of its cgroup namespace). Controllers may only be handed to children of a cgroup without
 * processes of its own, so this process first moves into a leaf.
 * @throws Error if the subtree is not delegated or lacks the memory or pids controller
 */
export function createV2Backend(own: string): CgroupBackend {
  const available = (readText(join(own, 'cgroup.controllers')) ?? '').trim().split(' ')
  for (const controller of ['memory', 'pids']) {
    if (!available.includes(controller)) throw new Error(`the ${controller} controller is not delegated here`)
  }
  let sharesCpu = available.includes('cpu')
  sweep(own)
  const prefix = ownPrefix()
  const leaf = join(own, `${prefix}self`)
  const base = join(own, `${prefix}${randomBytes(4).toString('hex')}`)
  // Another sandbox of this process may have moved it already.
  if (!existsSync(leaf)) makeFolder(leaf)
  try {
    write(join(leaf, 'cgroup.procs'), process.pid)
    sharesCpu &&= enables(own, '+cpu')
    write(join(own, 'cgroup.subtree_control'), '+memory +pids')
    makeFolder(base)
    sharesCpu &&= enables(base, '+cpu')
    write(join(base, 'cgroup.subtree_control'), '+memory +pids')
    if (sharesCpu) write(join(base, 'cpu.weight'), WEIGHT_V2)
  } catch (cause) {
    write(join(own, 'cgroup.procs'), process.pid)
    void removeFolder(leaf)
    throw new Error('the cgroup of the runner is not delegated to it', { cause })
  }
  const countsSwap = existsSync(join(base, 'memory.swap.max'))
  return {
    kind: 'v2',
    enforced: [
      'cgroup-v2:memory',
      'cgroup-v2:pids',
      'cgroup-v2:cpu-time',
      ...(sharesCpu ? ['cgroup-v2:cpu-share'] : []),
    ],
    create: (id, limits) => {
      const folder = join(base, id)
      makeFolder(folder)
      const limit = (to: CgroupLimits) => {
        write(join(folder, 'memory.max'), to.memoryBytes)
        write(join(folder, 'pids.max'), to.processes)
      }
      limit(limits)
      if (countsSwap) write(join(folder, 'memory.swap.max'), 0)
      write(join(folder, 'memory.oom.group'), 1)
      // cpu.stat is there without the cpu controller.
      const cpuMs = () => {
        const microseconds = readField(join(folder, 'cpu.stat'), 'usage_usec')
        return microseconds === null ? null : microseconds / 1000
      }
      return {
        add: (pid) => move(pid, folder),
        limit,
        cpuMs,
        usage: () => ({
          cpuMs: cpuMs(),
          peakMemoryBytes: readNumber(join(folder, 'memory.peak')), // Linux 5.19
          oomKills: readField(join(folder, 'memory.events'), 'oom_kill') ?? 0,
          pidsMaxHits: readField(join(folder, 'pids.events'), 'max') ?? 0,
        }),
        isEmpty: () => pidsIn(folder).length === 0,
        remove: () => removeFolder(folder),
      }
    },
    close: async () => {
      await removeFolder(base)
    },
  }
}

/** Whether the kernel hands a controller down: that of the CPU it does not while processes of real time are below. */
function enables(folder: string, controller: string): boolean {
  try {
    write(join(folder, 'cgroup.subtree_control'), controller)
    return true
  } catch {
    return false
  }
}
