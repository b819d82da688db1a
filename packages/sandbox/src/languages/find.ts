import type { Identity } from '../toolchain/identity.ts'
import type { Staging } from '../toolchain/staging.ts'
import type { SandboxOptions } from '../types.ts'
import { BUILT_IN } from './builtin.ts'
import { genericRuntime } from './generic.ts'
import { javascriptRuntime } from './javascript.ts'
import { pythonRuntime } from './python.ts'
import type { Runtime } from './runtime.ts'

/**
 * The languages whose tools are found here. A row of the operator's table stands before one of ours of the same
 * name. What could not be had is told in words for the operator.
 */
export function findRuntimes(
  options: SandboxOptions,
  staging: Staging,
  identity: Identity,
): { runtimes: Runtime[]; refusals: string[] } {
  const refusals: string[] = []
  const runtimes: Runtime[] = []
  const attempt = (make: () => Runtime): boolean => {
    try {
      runtimes.push(make())
      return true
    } catch (error) {
      refusals.push((error as Error).message)
      return false
    }
  }
  attempt(() => pythonRuntime(options.pythonPath, staging))
  attempt(() => javascriptRuntime(options.nodePath ?? process.execPath, staging, identity))
  // A fork is of Python alone, an isolate of JavaScript.
  if (options.tier === 'fork' || options.tier === 'isolate') return { runtimes, refusals }
  const own = options.languages ?? []
  for (const row of own) attempt(() => genericRuntime(row, identity))
  const named = new Set(own.map(({ language }) => language))
  for (const choice of BUILT_IN) {
    if (choice.some(({ language }) => named.has(language))) continue
    for (const row of choice) if (attempt(() => genericRuntime(row, identity))) break
  }
  return { runtimes, refusals }
}
