import type { Artifact, CheckResult, ExecutionRequest, Isolation } from '@loopgate/contracts'
import type { Compiled } from './compile.ts'
import type { SessionEnd } from './jail/session.ts'
import type { Runtime } from './languages/runtime.ts'
import { diedBySignal, outcomeOf } from './outcome.ts'
import type { SandboxResult } from './types.ts'

/** How an execution ran, by checks or as a program. */
export type Ran = {
  readonly end: SessionEnd
  readonly checks?: CheckResult[]
  /** With checks: the candidate served until we were done with it. */
  readonly served?: boolean
  readonly compiled?: Compiled | null
  readonly artifacts?: Artifact[]
}

/** What held for it. */
export type Held = { readonly tier: Isolation; readonly enforced: readonly string[] }

/** The result of an execution whose sandboxes have ended. */
export function resultOf(ran: Ran, request: ExecutionRequest, runtime: Runtime, held: Held, id: string): SandboxResult {
  const { end, served, compiled } = ran
  const isCompile = compiled != null && compiled.program === null
  const limits = isCompile ? request.compileLimits : request.limits
  const ended = outcomeOf(end, limits.cpuMs)
  // A server of calls that ended by itself has failed, whatever its exit status; a compiler that made nothing too.
  const outcome =
    served === true
      ? 'ok'
      : served === false && ended === 'ok'
        ? 'runtime_error'
        : isCompile && (ended === 'ok' || ended === 'runtime_error' || ended === 'killed')
          ? 'compile_error'
          : ended
  const signalled = end.reason !== null || diedBySignal(end)
  const { stdout, stderr, truncated, streams, wallMs, cpuMs, startupMs, peakMemoryBytes } = end
  const { oomKills, pidsMaxHits, diskFull } = end
  return {
    id,
    outcome,
    exitCode: served === true || signalled ? null : end.exitCode,
    signal: served === true || !signalled ? null : (end.signal ?? 'SIGKILL'),
    stage: isCompile || outcome === 'compile_error' ? 'compile' : 'run',
    stdout,
    stderr,
    truncated,
    streams,
    wallMs,
    cpuMs,
    startupMs,
    peakMemoryBytes,
    counters: { oomKills, pidsMaxHits, diskFull },
    ...(compiled != null && { compile: compileReport(compiled.end) }),
    isolation: {
      requested: request.isolation,
      achieved: held.tier,
      enforced: [...held.enforced],
      warm: end.warm,
    },
    runtime: { language: runtime.language, version: runtime.version },
    checks: ran.checks ?? [],
    ...(request.artifacts.length > 0 && { artifacts: ran.artifacts ?? [] }),
    ...(outcome === 'internal_error' ? { message: startFault(end) } : {}),
  }
}

function compileReport({ exitCode, stdout, stderr, wallMs, cpuMs }: SessionEnd): SandboxResult['compile'] {
  return { exitCode, stdout, stderr, wallMs, cpuMs }
}

function startFault(end: SessionEnd): string {
  const said = end.stderr.trim().slice(-1000)
  return end.started ? `the sandbox failed: ${said}` : `the sandbox did not come up: ${said || 'it said nothing'}`
}

/** The result of an execution that met a fault of the machine. */
export function faultResult(
  error: Error,
  request: ExecutionRequest,
  runtime: Runtime,
  held: Held,
  id: string,
  elapsedMs: number,
): SandboxResult {
  return {
    id,
    outcome: 'internal_error',
    exitCode: null,
    signal: null,
    stdout: '',
    stderr: '',
    truncated: { stdout: false, stderr: false },
    wallMs: 0,
    cpuMs: null,
    startupMs: elapsedMs,
    peakMemoryBytes: null,
    checks: [],
    message: error.message.slice(0, 1000),
    isolation: { requested: request.isolation, achieved: held.tier, enforced: [...held.enforced] },
    runtime: { language: runtime.language, version: runtime.version },
  }
}
