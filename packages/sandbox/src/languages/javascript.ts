import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Staging } from '../toolchain/staging.ts'
import type { Identity } from '../toolchain/identity.ts'
import { interpreterOf } from '../toolchain/elf.ts'
import type { JailLimits } from '../types.ts'
import {
  BOOTSTRAP_FOLDER,
  COMMON_ENV,
  cpuSeconds,
  OPEN_FILES,
  SHELL_LIMITS,
  SPARE_PROCESSES,
  type Runtime,
} from './runtime.ts'

const SOURCES = fileURLToPath(new URL('../bootstrap/javascript', import.meta.url))
const INSIDE = '/opt/node/bin/node'

/** Threads that Node starts before any code of the candidate: V8's and libuv's. */
const OWN_THREADS = 20

/** Node cannot set limits on itself, so a shell does before it becomes Node. */
const LIMIT = [...SHELL_LIMITS, 'exec "$@"'].join(' && ')

const VERSIONS = '`${process.version} ${process.versions.modules}`'

/**
 * Copies the bootstraps into the staging folder and tells how to start Node.
 * @throws Error that says what is wrong with it
 */
export function javascriptRuntime(path: string, staging: Staging, identity: Identity): Runtime {
  const program = realpathSync(path)
  interpreterOf(program)
  const source = staging.reachable(program)
  const run = spawnSync(source, ['-p', VERSIONS], { ...identity, env: {}, cwd: '/', encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`${path} does not run: ${(run.error?.message ?? run.stderr).slice(0, 300)}`)
  const folder = join(staging.folder, 'javascript')
  mkdirSync(folder, { mode: 0o755 })
  for (const name of readdirSync(SOURCES)) copyFileSync(join(SOURCES, name), join(folder, name))
  const isSystems = source.startsWith('/usr/')
  const inside = isSystems ? source : INSIDE
  const [version = '', abi = ''] = run.stdout.trim().replace(/^v/, '').split(' ')
  const start = (limits: JailLimits, options: readonly string[]) => [
    '/bin/sh',
    '-c',
    LIMIT,
    'sh',
    String(cpuSeconds(limits)),
    String(Math.ceil(limits.diskBytes / 512)),
    String(OPEN_FILES),
    String(limits.processes + OWN_THREADS + SPARE_PROCESSES),
    inside,
    `--max-old-space-size=${heapMib(limits)}`,
    ...options,
  ]
  return {
    language: 'javascript',
    version,
    node: { abi, start },
    binds: isSystems ? [] : [{ source, target: INSIDE }],
    env: COMMON_ENV,
    argv: (role, limits) =>
      start(limits, [
        // A call is answered on one thread: helpers of V8 cost a third of the start and share one core anyway.
        ...(role === 'program' ? [] : ['--single-threaded']),
        '--experimental-vm-modules',
        '--no-warnings',
        `${BOOTSTRAP_FOLDER}/javascript/${role === 'check' ? 'checker' : 'candidate'}.cjs`,
      ]),
    // RLIMIT_AS is of no use: V8 reserves far more address space than it uses.
    rlimits: () => ({}),
    // All that its command line says.
    fixedLimits: (limits) => [limits.memoryBytes, limits.processes, limits.diskBytes, cpuSeconds(limits)],
    sitePaths: [],
    ownProcesses: OWN_THREADS,
  }
}

/** V8 collects in time only if it knows of the limit; the rest is for buffers and Node itself. */
function heapMib(limits: JailLimits): number {
  return Math.max(16, Math.floor((limits.memoryBytes / (1024 * 1024)) * 0.8))
}
