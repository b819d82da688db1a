import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ownPrefix } from '../../src/owner.ts'
import { until } from './processes.ts'

/** What sandboxes of this process have on this machine: cgroups, mounts, folders and files. */
type Traces = { readonly cgroups: string[]; readonly mounts: number; readonly files: string[]; readonly pids: string[] }

/** Cgroups that this process has made below a folder, of single sandboxes or to hold those. */
export function ownCgroups(root = '/sys/fs/cgroup'): string[] {
  const found: string[] = []
  const visit = (folder: string, depth: number): void => {
    for (const name of namesOf(folder)) {
      const path = join(folder, name)
      if (name.startsWith(ownPrefix())) found.push(path, ...namesOf(path).map((inner) => join(path, inner)))
      else if (depth < 3) visit(path, depth + 1)
    }
  }
  visit(root, 0)
  return found
}

/** Others make and remove cgroups meanwhile: a folder that has gone holds nothing. */
function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return []
  }
}

function files(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(ownPrefix()))
    .flatMap((name) => readdirSync(join(tmpdir(), name), { recursive: true }).map(String))
    .toSorted()
}

/** Programs of candidates: what runs in the working folder of a sandbox. */
function pids(): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(`/${ownPrefix()}`) && !isIdle(name)
    } catch {
      return false
    }
  })
}

/** One that was started ahead has a cgroup of its own too. */
function isIdle(pid: string): boolean {
  return /\/w\d+$/m.test(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
}

const look = (): Traces => ({
  cgroups: ownCgroups()
    .map((path) => basename(path))
    .filter((name) => /^e\d/.test(name)),
  mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
  files: files(),
  pids: pids(),
})

/**
 * Remembers what there is now; the returned function waits until there is no more than that, or fails. Cgroups of
 * executions that ended before may still be on their way out now: later there are to be none.
 */
export function watchLeftovers(): () => Promise<void> {
  const before = JSON.stringify({ ...look(), cgroups: [] })
  return () => until(() => JSON.stringify(look()) === before)
}
