import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ownPrefix } from '../owner.ts'
import { readText } from './files.ts'
import { createNoCgroups } from './none.ts'
import type { CgroupBackend } from './types.ts'
import { createV1Backend } from './v1.ts'
import { createV2Backend } from './v2.ts'

type Mount = { readonly folder: string; readonly type: string; readonly options: readonly string[] }

/**
 * The first back-end that works here: v2 delegated, v1 writable, none. `refusals` say why the better
 * ones do not, for the operator.
 */
export function chooseCgroups(): { backend: CgroupBackend; refusals: string[] } {
  const refusals: string[] = []
  for (const [name, make] of [
    ['v2', makeV2],
    ['v1', makeV1],
  ] as const) {
    try {
      return { backend: make(), refusals }
    } catch (error) {
      refusals.push(`cgroup ${name}: ${(error as Error).message}`)
    }
  }
  return { backend: createNoCgroups(), refusals }
}

function makeV2(): CgroupBackend {
  const mount = mounts().find(({ type }) => type === 'cgroup2')
  if (mount === undefined) throw new Error('not mounted')
  const own = ownFolder(mount.folder, ownPath(''))
  // Another tier of this process has moved it into its leaf already: what was delegated is the folder above.
  return createV2Backend(basename(own) === `${ownPrefix()}self` ? dirname(own) : own)
}

function makeV1(): CgroupBackend {
  const folder = (controller: string) => {
    const mount = mounts().find(({ type, options }) => type === 'cgroup' && options.includes(controller))
    return mount === undefined ? null : ownFolder(mount.folder, ownPath(controller))
  }
  const memory = folder('memory')
  const pids = folder('pids')
  if (memory === null || pids === null) throw new Error('the memory or pids controller is not mounted')
  return createV1Backend({ memory, pids, cpuacct: folder('cpuacct'), cpu: folder('cpu') })
}

function mounts(): Mount[] {
  const lines = (readText('/proc/self/mountinfo') ?? '').split('\n').filter(Boolean)
  return lines.map((line) => {
    // proc(5): ... root mountpoint options [optional...] - type source superoptions
    const [left = '', right = ''] = line.split(' - ')
    const [type = '', , options = ''] = right.split(' ')
    return { folder: left.split(' ')[4] ?? '', type, options: options.split(',') }
  })
}

/** This process's path in a hierarchy; '' names the unified one. */
function ownPath(controller: string): string {
  for (const line of (readText('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (path !== undefined && controllers?.split(',').includes(controller)) return path
  }
  return '/'
}

/** In a container the path is the host's and only the mount's root is ours. */
function ownFolder(mount: string, path: string): string {
  const folder = join(mount, path)
  return existsSync(folder) ? folder : mount
}
