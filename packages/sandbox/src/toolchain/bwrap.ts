import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { interpreterOf } from './elf.ts'
import type { Identity } from './identity.ts'
import type { Staging } from './staging.ts'

/** How to start bubblewrap with an empty environment. */
export type Bwrap = { readonly command: string; readonly prefix: readonly string[]; readonly version: string }

/**
 * Resolves bubblewrap. The wrapper script that the set-up writes sets LD_LIBRARY_PATH, which the
 * candidate could read in /proc/1/environ; so the program behind it is started directly and, if it
 * needs the libraries of the script, through its dynamic loader, which takes them as an argument.
 * @throws Error that says what to do
 */
export function resolveBwrap(path: string | undefined, staging: Staging, identity: Identity): Bwrap {
  const found = path ?? findOnPath('bwrap')
  if (found === undefined) {
    throw new Error('bubblewrap is not installed: install it so that "bwrap" is on PATH, or set LOOPGATE_BWRAP_PATH')
  }
  const { program, libraries } = behindWrapper(realpathSync(found))
  const direct = staging.reachable(program)
  const plain = versionOf(direct, [], identity)
  if (plain.version !== null) return { command: direct, prefix: [], version: plain.version }
  const loader = interpreterOf(program)
  if (loader !== null && libraries !== null) {
    const prefix = ['--library-path', reachableLibraries(loader, libraries, program, staging), direct]
    const loaded = versionOf(loader, prefix, identity)
    if (loaded.version !== null) return { command: loader, prefix, version: loaded.version }
  }
  throw new Error(`${found} does not run as the user of the sandboxes: ${plain.detail}`)
}

function versionOf(command: string, prefix: readonly string[], identity: Identity) {
  const run = spawnSync(command, [...prefix, '--version'], { ...identity, env: {}, cwd: '/', encoding: 'utf8' })
  const version = /^bubblewrap (\S+)/.exec(run.stdout ?? '')?.[1] ?? null
  return { version, detail: (run.error?.message ?? run.stderr ?? '').trim().slice(0, 500) || `status ${run.status}` }
}

/** The program and library path of a wrapper script, or the program itself. */
function behindWrapper(path: string): { program: string; libraries: string | null } {
  const start = readFileSync(path).subarray(0, 4096).toString('latin1')
  if (!start.startsWith('#!')) return { program: path, libraries: null }
  const libraries = /^export LD_LIBRARY_PATH="([^"$`]+)"$/m.exec(start)?.[1]
  const program = /^exec "([^"$`]+)" "\$@"$/m.exec(start)?.[1]
  if (libraries === undefined || program === undefined) {
    throw new Error(`${path} is a script: set LOOPGATE_BWRAP_PATH to the bubblewrap program itself`)
  }
  return { program: realpathSync(program), libraries }
}

/** The libraries' folder as the launcher sees it: copies of those that the loader takes from an unreachable one. */
function reachableLibraries(loader: string, libraries: string, program: string, staging: Staging): string {
  const listed = execFileSync(loader, ['--library-path', libraries, '--list', program], { env: {}, encoding: 'utf8' })
  const used = [...listed.matchAll(/=> (\S+)/g)].map((match) => match[1] ?? '')
  const folders = used.filter((file) => libraries.split(delimiter).includes(dirname(file))).map((file) => dirname(file))
  return [...new Set(folders)].map((folder) => staging.reachable(folder)).join(delimiter)
}

export function findOnPath(name: string, folders = (process.env['PATH'] ?? '').split(delimiter)): string | undefined {
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
