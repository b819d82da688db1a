import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** CPU time of this process and of everything that it has started since, also of what has ended. */
export type CpuCgroup = { readonly cpuMs: () => number; readonly leave: () => void }

/**
 * Moves this process into a cgroup of its own that counts CPU time (v1, cpuacct). What sandboxes start is reaped
 * by nobody of ours, so no counter of a process has it. Null where that cannot be had, as without root.
 */
export function enterCpuCgroup(): CpuCgroup | null {
  const mount = /^.* (\/\S*) [^\n]* - cgroup \S+ \S*\bcpuacct\b/m.exec(
    readFileSync('/proc/self/mountinfo', 'utf8'),
  )?.[1]
  const path = /^\d+:[^:]*\bcpuacct\b[^:]*:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  if (mount === undefined || path === undefined) return null
  const inside = join(mount, path)
  const parent = existsSync(inside) ? inside : mount
  const folder = join(parent, `loopgate-bench-${process.pid}`)
  const move = (to: string) => writeFileSync(join(to, 'cgroup.procs'), String(process.pid))
  try {
    mkdirSync(folder)
    move(folder)
  } catch {
    return null
  }
  return {
    cpuMs: () => Number(readFileSync(join(folder, 'cpuacct.usage'), 'utf8')) / 1e6,
    leave: () => {
      move(parent)
      try {
        rmdirSync(folder)
      } catch {
        // something in it is still on its way out
      }
    },
  }
}
