import type { ExecutionResult } from '@loopgate/contracts'

/** A result of an uneventful execution, as a runner gives it, with what the test is about in place. */
export function executionResult(over: Partial<ExecutionResult> = {}): ExecutionResult {
  return {
    id: 'exec_1',
    outcome: 'ok',
    exitCode: 0,
    signal: null,
    stdout: '',
    stderr: '',
    truncated: { stdout: false, stderr: false },
    wallMs: 12,
    cpuMs: 10,
    queueMs: 0,
    startupMs: 1,
    peakMemoryBytes: null,
    isolation: { requested: 'process', achieved: 'process', enforced: [] },
    runtime: { language: 'python', version: '3.11' },
    runnerId: 'runner_1',
    checks: [],
    ...over,
  }
}
