import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { languageSchema } from '@loopgate/contracts'
import { z } from 'zod'
import { findOnPath } from '../toolchain/bwrap.ts'
import { interpreterOf } from '../toolchain/elf.ts'
import type { Identity } from '../toolchain/identity.ts'
import { COMMON_ENV, type Runtime } from './runtime.ts'

const argvSchema = z.array(z.string().min(1).max(4096)).min(1).max(64)

/** A language of the operator's table: how its programs are compiled and run, and how it is known to work. */
export const customLanguageSchema = z.strictObject({
  language: languageSchema,
  /** Prints the version; its first word is the program that is looked for. */
  version: argvSchema,
  /** Makes {program} of {entry} or {files}. */
  compile: argvSchema.optional(),
  /** Runs {program} or {entry}; arguments of the request come behind it. */
  run: argvSchema,
  /** What an entry is usually called. */
  fileName: z.string().min(1).max(200),
  /** A program that ends with status 0, tried at the start in a sandbox. */
  probe: z.string().min(1).max(65_536),
  /** Folders of the host outside /usr that are shown read-only. */
  folders: z
    .array(z.string().regex(/^\/[^\0]+$/, 'expected an absolute path'))
    .max(16)
    .default([]),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(4096)).default({}),
  /** Threads and processes that its tools start by themselves. */
  ownProcesses: z.int().min(0).max(512).default(0),
})
export type CustomLanguage = z.infer<typeof customLanguageSchema>

const FOLDERS = ['/usr/bin', '/usr/local/bin', '/bin']

/**
 * A language by a row of the table. Every program that the row starts with is resolved to a real one, never a
 * script or a version manager's shim, which would need the host's files.
 * @throws Error that says what is missing or wrong
 */
export function genericRuntime(row: CustomLanguage, identity: Identity): Runtime {
  const resolve = ([program = '', ...rest]: readonly string[]): string[] =>
    program.startsWith('{') ? [program, ...rest] : [resolveProgram(row, program), ...rest]
  const version = resolve(row.version)
  const [command = '', ...args] = version
  const run = spawnSync(command, args, {
    ...identity,
    env: { PATH: FOLDERS.join(':'), ...row.env },
    cwd: '/',
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (run.status !== 0)
    throw new Error(`${row.language}: ${command} does not run: ${(run.error?.message ?? run.stderr).slice(0, 300)}`)
  const said = `${run.stdout}\n${run.stderr}`
  return {
    language: row.language,
    version:
      `${basename(row.version[0] ?? '')} ${/\d+(?:\.\d+)+/.exec(said)?.[0] ?? said.trim().split('\n')[0] ?? ''}`.slice(
        0,
        100,
      ),
    binds: row.folders.map((folder) => ({ source: folder, target: folder })),
    env: { ...COMMON_ENV, ...row.env },
    commands: {
      run: resolve(row.run),
      compile: row.compile === undefined ? null : resolve(row.compile),
      fileName: row.fileName,
      probe: row.probe,
    },
    argv: () => [],
    rlimits: () => ({}),
    sitePaths: [],
    ownProcesses: row.ownProcesses,
  }
}

function resolveProgram({ language, folders }: CustomLanguage, name: string): string {
  const found = name.startsWith('/') ? name : findOnPath(name, FOLDERS)
  if (found === undefined) throw new Error(`${language}: no ${name} in ${FOLDERS.join(', ')}`)
  let program: string
  try {
    program = realpathSync(found)
    interpreterOf(program)
  } catch (error) {
    throw new Error(`${language}: ${(error as Error).message}`, { cause: error })
  }
  const isVisible = ['/usr', '/bin', ...folders].some((folder) => program.startsWith(`${folder}/`))
  if (!isVisible) throw new Error(`${language}: ${program} is in no folder that a sandbox sees: name it in "folders"`)
  return program
}
