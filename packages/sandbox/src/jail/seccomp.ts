import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seccompProgram } from './seccomp-program.ts'

/** Writes the filter of this machine's architecture once; each sandbox reads it through a descriptor of its own. */
export function filterOpener(folder: string): (() => { descriptor: number; close: () => void }) | null {
  const program = seccompProgram(process.arch)
  if (program === null) return null
  const path = join(folder, 'filter.bpf')
  writeFileSync(path, program, { mode: 0o644 })
  return () => {
    const descriptor = openSync(path, 'r')
    return { descriptor, close: () => closeSync(descriptor) }
  }
}
