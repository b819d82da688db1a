import type { ExecutionRequest, ExecutionResult } from '@loopgate/contracts'

/** Larger ones are rare and would crowd out many others. */
const MAX_BYTES = 64 * 1024

/** A run that came this near to a time limit might have passed it on a slower machine. */
const NEAR_LIMIT = 0.9

/** Whether a request asks for a verdict at all: a program without checks is run for what it does. */
export const asksVerdict = ({ checks }: ExecutionRequest): boolean => checks.length > 0

/**
 * Whether the same request would end the same way: `no` for what says something of the machine or of
 * a check program, `repeated` for what hangs on time or memory and is believed when it happens twice.
 */
export function reusable(request: ExecutionRequest, result: ExecutionResult): 'yes' | 'repeated' | 'no' {
  const { outcome, checks, isolation } = result
  if (outcome === 'killed' || outcome === 'internal_error') return 'no'
  if (isolation.achieved !== request.isolation) return 'no'
  if (checks.length !== request.checks.length || checks.some(({ verdict }) => verdict === 'error')) return 'no'
  if (JSON.stringify(result).length > MAX_BYTES) return 'no'
  const failed = checks.some(({ verdict }) => verdict === 'fail')
  if (outcome === 'time_limit' || outcome === 'memory_limit' || (failed && isNearLimit(request, result))) {
    return 'repeated'
  }
  return 'yes'
}

function isNearLimit({ limits }: ExecutionRequest, { wallMs, cpuMs, checks }: ExecutionResult): boolean {
  const longestMs = Math.max(wallMs, ...checks.map(({ durationMs }) => durationMs))
  return longestMs >= NEAR_LIMIT * limits.wallMs || (cpuMs ?? 0) >= NEAR_LIMIT * limits.cpuMs
}
