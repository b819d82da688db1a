import type { Artifact, ExecutionRequest } from '@loopgate/contracts'
import { collectArtifacts } from './artifacts/collect.ts'
import { compile, type Compiled } from './compile.ts'
import type { JailSpec } from './jail/jail.ts'
import type { Init, SessionDeps, SessionEnd } from './jail/session.ts'
import { fillTemplate, runDirectly } from './languages/direct.ts'
import type { Runtime } from './languages/runtime.ts'
import { runToEnd } from './run-to-end.ts'
import type { ExecuteOptions } from './types.ts'

export type ProgramRun = {
  /** Of the stage that it came to. */
  readonly end: SessionEnd
  readonly compiled: Compiled | null
  readonly artifacts: Artifact[]
}

/**
 * Runs the entry file, or the command, as a program with arguments and standard input; what is to be compiled
 * is compiled before, in a sandbox of its own, and only the program that comes of it goes on.
 * @throws Error if a sandbox cannot be started
 */
export async function runProgram(
  deps: SessionDeps,
  runtime: Runtime,
  request: ExecutionRequest,
  id: string,
  init: Init & { readonly closeFds: readonly number[] },
  { signal, onOutput }: ExecuteOptions,
): Promise<ProgramRun> {
  const artifacts: Artifact[] = []
  const needsCompiler = request.command === undefined && runtime.commands?.compile != null
  const compiled = needsCompiler ? await compile(deps, runtime, request, id, init.closeFds, signal) : null
  if (compiled !== null && compiled.program === null) return { end: compiled.end, compiled, artifacts }
  const argv = directArgv(deps, runtime, request)
  const entry = request.entry ?? request.files[0]?.path
  const spec: JailSpec = {
    id,
    runtime,
    role: 'program',
    limits: request.limits,
    stdin: request.stdin === '' ? null : request.stdin,
    onOutput,
    direct: argv === null ? undefined : runDirectly(runtime, argv, request, init.closeFds, compiled?.program ?? null),
    ...(request.artifacts.length > 0 && {
      collect: (folder) => artifacts.push(...collectArtifacts(folder, request.artifacts)),
    }),
  }
  const told = { ...init, mode: 'program', entry, args: request.args, command: request.command ?? null }
  const end = await runToEnd(deps, spec, request.limits.wallMs, told, request, signal)
  return { end, compiled, artifacts }
}

/** What to run without a bootstrap; null where there is one, as in a fork, which has nothing else. */
function directArgv(deps: SessionDeps, runtime: Runtime, request: ExecutionRequest): readonly string[] | null {
  const { command, args } = request
  if (command !== undefined) return deps.canStartDirectly ? command : null
  if (runtime.commands === undefined) return null
  const { run, fileName } = runtime.commands
  return [...fillTemplate(run, request, 'run', fileName), ...args]
}
