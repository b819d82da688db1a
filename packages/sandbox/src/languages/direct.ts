import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import type { ExecutionRequest } from '@loopgate/contracts'
import type { JailBoot, PlacedFile } from '../jail/jail.ts'
import { contentOf } from '../jail/session.ts'
import type { JailLimits } from '../types.ts'
import { cpuSeconds, OPEN_FILES, SHELL_LIMITS, SPARE_PROCESSES, type Runtime } from './runtime.ts'

/** Where a compiler puts what it makes, in its own sandbox. */
const MADE = '/tmp/program'
/** Where that stands, read-only, in the sandbox that runs it. */
const PROGRAM = '/opt/program/main'
const FOLDER = '/tmp/work'

/**
 * The shell sets the limits, says on descriptor 3 that it is up, waits there for a line, and becomes the program;
 * of a compiler it stays the parent and copies what was made to descriptor 4.
 */
const LIMIT = [...SHELL_LIMITS, 'printf U >&3', 'read -r go <&3'].join(' && ')
const RUN = `${LIMIT} && exec "$@" 3>&-`
const COMPILE = `${LIMIT} && "$@" 3>&- 4>&- && cat ${MADE} >&4`

type Direct = NonNullable<JailBoot['direct']>

/** Starts a program of the request, or what was compiled of it, without a bootstrap of ours. */
export function runDirectly(
  runtime: Runtime,
  argv: readonly string[],
  request: ExecutionRequest,
  closeFds: readonly number[],
  program: Buffer | null,
): Direct {
  const made: PlacedFile[] = program === null ? [] : [{ path: PROGRAM, content: program, isReadOnlyProgram: true }]
  return { argv: shell(RUN, request.limits, runtime, closeFds, argv), files: [...placed(request), ...made] }
}

/** Starts the compiler of a request; its record is what it made. */
export function compileDirectly(
  runtime: Runtime,
  argv: readonly string[],
  request: ExecutionRequest,
  closeFds: readonly number[],
): Direct {
  return { argv: shell(COMPILE, request.compileLimits, runtime, closeFds, argv), files: placed(request) }
}

/** Fills a template of the operator's or ours: {entry}, {program} and, as arguments of their own, {files}. */
export function fillTemplate(
  template: readonly string[],
  request: ExecutionRequest,
  stage: 'compile' | 'run',
  fileName?: string,
): string[] {
  const entry = entryOf(request, fileName)
  const alike = request.files.map(({ path }) => path).filter((path) => extname(path) === extname(entry))
  const program = stage === 'compile' ? MADE : PROGRAM
  return template.flatMap((part) =>
    part === '{files}'
      ? alike.map(inFolder)
      : [part.replaceAll('{entry}', inFolder(entry)).replaceAll('{program}', program)],
  )
}

/** The file to run: the one named, else one of the language's usual name, else the first. */
function entryOf({ entry, files }: ExecutionRequest, fileName?: string): string {
  return entry ?? files.find(({ path }) => path === fileName)?.path ?? files[0]?.path ?? ''
}

/** Absolute, so that no name of a file is taken for an option. */
const inFolder = (path: string): string => `${FOLDER}/${path}`

function placed(request: ExecutionRequest): PlacedFile[] {
  return request.files.map((file) => ({
    path: inFolder(file.path),
    content: contentOf(file),
  }))
}

function shell(
  script: string,
  limits: JailLimits,
  { ownProcesses }: Runtime,
  closeFds: readonly number[],
  argv: readonly string[],
): string[] {
  const closing = closeFds.map((descriptor) => `exec ${descriptor}>&-; `).join('')
  return [
    shellFor(closeFds),
    '-c',
    closing + script,
    'sh',
    String(cpuSeconds(limits)),
    String(Math.ceil(limits.diskBytes / 512)),
    String(OPEN_FILES),
    String(limits.processes + ownProcesses + SPARE_PROCESSES),
    ...argv,
  ]
}

/** @throws Error where descriptors were left open to us that no shell here can close */
function shellFor(closeFds: readonly number[]): string {
  // dash takes descriptors of one digit only.
  if (closeFds.every((descriptor) => descriptor < 10)) return '/bin/sh'
  if (existsSync('/bin/bash')) return '/bin/bash'
  throw new Error('descriptors were left open to the runner, and only bash could close them')
}
