import type { Language } from '@loopgate/contracts'
import type { Runtime } from '../languages/runtime.ts'

/** What runs a language: its own runtime, or for TypeScript that of JavaScript under its name. */
export function runtimeOf(runtimes: readonly Runtime[], language: Language): Runtime | undefined {
  if (language !== 'typescript') return runtimes.find((each) => each.language === language)
  const node = runtimes.find((each) => each.node !== undefined)
  return node && { ...node, language }
}

/** What is started for it: without types it is JavaScript, of which sandboxes may wait already. */
export function startedBy(runtimes: readonly Runtime[], runtime: Runtime): Runtime {
  if (runtime.language !== 'typescript') return runtime
  return runtimes.find((each) => each.node !== undefined) ?? runtime
}
