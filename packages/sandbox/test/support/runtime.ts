import type { Runtime } from '../../src/languages/runtime.ts'

/** A runtime that starts nothing, for tests of what is around it. */
export const NO_RUNTIME: Runtime = {
  language: 'python',
  version: '3',
  binds: [],
  env: {},
  argv: () => [],
  rlimits: () => ({}),
  sitePaths: [],
  ownProcesses: 0,
}
