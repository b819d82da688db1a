import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seccompProgram, type FilterRole } from './seccomp-program.ts'

export type FilterOpener = () => { descriptor: number; close: () => void }

/** Writes a filter of this machine's architecture as `<role>.bpf`; null where there is none for it. */
export function writeFilter(folder: string, role: FilterRole): string | null {
  const program = seccompProgram(process.arch, role)
  if (program === null) return null
  const path = join(folder, `${role}.bpf`)
  writeFileSync(path, program, { mode: 0o644 })
  return path
}

/**
 * Writes a filter of this machine's architecture once; each sandbox reads it through a descriptor of its
 * own. Null where there is none for the architecture.
 */
export function filterOpener(folder: string, role: FilterRole = 'program'): FilterOpener | null {
  const path = writeFilter(folder, role)
  if (path === null) return null
  return () => {
    const descriptor = openSync(path, 'r')
    return { descriptor, close: () => closeSync(descriptor) }
  }
}
