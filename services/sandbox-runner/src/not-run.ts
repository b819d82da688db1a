import type { ExecutionRequest } from '@loopgate/contracts'
import type { SandboxResult } from '@loopgate/sandbox'

/** The result of an execution that has none: it was cancelled, or the sandbox refused it. */
export function notRun(
  request: ExecutionRequest,
  id: string,
  outcome: 'killed' | 'internal_error',
  error: Error,
): SandboxResult {
  return {
    id,
    outcome,
    exitCode: null,
    signal: outcome === 'killed' ? 'SIGKILL' : null,
    stdout: '',
    stderr: '',
    truncated: { stdout: false, stderr: false },
    wallMs: 0,
    cpuMs: null,
    startupMs: 0,
    peakMemoryBytes: null,
    isolation: { requested: request.isolation, achieved: request.isolation, enforced: [] },
    runtime: { language: request.language, version: 'none' },
    checks: [],
    message: error.message.slice(0, 1000),
  }
}
