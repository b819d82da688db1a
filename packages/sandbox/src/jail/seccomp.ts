import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seccompProgram, type FilterRole } from './seccomp-program.ts'

export type FilterOpener = () => { descriptor: number; close: () => void }

/**
 * Writes a filter of this machine's architecture once; each sandbox reads it through a descriptor of its
 * own. Null where there is none for the architecture.
 */
export function filterOpener(folder: string, role: FilterRole = 'program'): FilterOpener | null {
  const program = seccompProgram(process.arch, role)
  if (program === null) return null
  // The forks of a server read filter.bpf by this name.
  const path = join(folder, role === 'program' ? 'filter.bpf' : `${role}.bpf`)
  writeFileSync(path, program, { mode: 0o644 })
  return () => {
    const descriptor = openSync(path, 'r')
    return { descriptor, close: () => closeSync(descriptor) }
  }
}
