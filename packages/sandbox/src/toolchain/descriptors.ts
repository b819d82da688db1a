import { readdirSync } from 'node:fs'
import { readText } from '../cgroups/files.ts'

/** open(2) flag, octal as in /proc/<pid>/fdinfo. */
const O_CLOEXEC = 0o2000000

/**
 * Descriptors beyond stdio that every child of this process would inherit: left open by whatever
 * started it. Node marks its own close-on-exec, and inherited ones only up to the first gap above 15.
 */
export function leakedDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => {
      const flags = /^flags:\s*([0-7]+)/m.exec(readText(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1]
      return descriptor > 2 && flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0
    })
}
