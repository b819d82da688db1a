import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Staging } from '../toolchain/staging.ts'
import { findOnPath } from '../toolchain/bwrap.ts'
import { interpreterOf } from '../toolchain/elf.ts'
import {
  BOOTSTRAP_FOLDER,
  COMMON_ENV,
  cpuSeconds,
  OPEN_FILES,
  SPARE_PROCESSES,
  type Bind,
  type Runtime,
} from './runtime.ts'

const SOURCES = fileURLToPath(new URL('../bootstrap/python', import.meta.url))
/** Where a Python that is not the system's stands inside. */
const INSIDE = '/opt/python'
const LIBRARY_FOLDERS = ['x86_64-linux-gnu', 'aarch64-linux-gnu']

const PROBE = `
import sys, site, os
print('{"version":"%d.%d.%d","library":"%s","sites":[%s]}' % (*sys.version_info[:3], os.path.dirname(os.__file__),
  ",".join('"%s"' % path for path in site.getsitepackages() if os.path.isdir(path))))
`
const probeSchema = z.object({ version: z.string(), library: z.string(), sites: z.array(z.string()) })

const COMPILE = `
import sys, py_compile
for name in sys.argv[2:]:
  py_compile.compile(sys.argv[1] + '/' + name + '.py', cfile=name + '.pyc', dfile=name + '.py', doraise=True)
`

/**
 * Finds Python, compiles the bootstraps with it into the staging folder, and tells how to start it.
 * @throws Error that says what is wrong with it or missing
 */
export function pythonRuntime(path: string | undefined, staging: Staging): Runtime {
  const found = path ?? findOnPath('python3', ['/usr/bin', '/usr/local/bin'])
  if (found === undefined) throw new Error('no Python in /usr/bin or /usr/local/bin: set LOOPGATE_PYTHON_PATH')
  const program = realpathSync(found)
  interpreterOf(program) // refuses a shim: it would need the host's files and costs 70 ms a start
  const libraries = ownLibraries(program)
  const env = libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(':') }
  const run = spawnSync(program, ['-I', '-S', '-c', PROBE], { env, cwd: '/', encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`${found} does not run: ${(run.error?.message ?? run.stderr).slice(0, 300)}`)
  const facts = probeSchema.parse(JSON.parse(run.stdout))
  const folder = join(staging.folder, 'python')
  mkdirSync(folder, { mode: 0o755 })
  const modules = readdirSync(SOURCES)
    .filter((name) => name.endsWith('.py'))
    .map((name) => name.slice(0, -3))
  execFileSync(program, ['-I', '-S', '-c', COMPILE, SOURCES, ...modules], { env, cwd: folder })
  const placed = isSystems(program, facts.library)
    ? { inside: program, binds: [] as Bind[], env: {}, sites: facts.sites }
    : relocated(program, facts.library, libraries, staging)
  const start = [placed.inside, '-s', '-S', '-B', '-X', 'utf8']
  return {
    language: 'python',
    version: facts.version,
    binds: placed.binds,
    // A fixed hash seed: a candidate that depends on the order of a set gets the same verdict each time.
    env: { ...COMMON_ENV, PYTHONHASHSEED: '0', ...placed.env },
    argv: (role) => [...start, `${BOOTSTRAP_FOLDER}/python/${role === 'check' ? 'checker' : 'candidate'}.pyc`],
    forkServer: [...start, `${BOOTSTRAP_FOLDER}/python/zygote.pyc`],
    rlimits: (limits) => ({
      CORE: [0, 0],
      CPU: [cpuSeconds(limits), cpuSeconds(limits) + 1],
      FSIZE: [limits.diskBytes, limits.diskBytes],
      NOFILE: [OPEN_FILES, OPEN_FILES],
      NPROC: [limits.processes + SPARE_PROCESSES, limits.processes + SPARE_PROCESSES],
      AS: [limits.memoryBytes, limits.memoryBytes],
    }),
    // Its tmpfs; the rest is set when it is told what to run.
    fixedLimits: ({ diskBytes }) => [diskBytes],
    sitePaths: placed.sites,
    ownProcesses: 0,
  }
}

function isSystems(program: string, library: string): boolean {
  return program.startsWith('/usr/') && library.startsWith('/usr/')
}

/** Library folders beside an interpreter that was unpacked from packages; none for the system's. */
function ownLibraries(program: string): string[] {
  if (program.startsWith('/usr/')) return []
  const prefix = dirname(dirname(program))
  return LIBRARY_FOLDERS.flatMap((triplet) => [
    join(prefix, 'lib', triplet),
    join(dirname(prefix), 'lib', triplet),
  ]).filter((folder) => existsSync(folder))
}

/** Shows an interpreter of another folder under /opt/python, where it finds its library by its own path. */
function relocated(program: string, library: string, libraries: readonly string[], staging: Staging) {
  if (!library.includes(`${sep}lib`)) throw new Error(`${program} has its library in ${library}, outside its folder`)
  const binds: Bind[] = [
    { source: staging.reachable(program), target: `${INSIDE}/bin/${basename(program)}` },
    { source: staging.reachable(library), target: `${INSIDE}/lib/${basename(library)}` },
    ...libraries.map((folder, i) => ({ source: staging.reachable(folder), target: `${INSIDE}/libraries/${i}` })),
  ]
  const inside = libraries.map((_, i) => `${INSIDE}/libraries/${i}`)
  const env: Record<string, string> = inside.length === 0 ? {} : { LD_LIBRARY_PATH: inside.join(':') }
  return { inside: `${INSIDE}/bin/${basename(program)}`, binds, env, sites: [] as string[] }
}
