import { checkedLanguageSchema, type ExecutionRequest } from '@loopgate/contracts'
import type { Runner } from '../runners/hub.ts'

/** What a runner may need beyond the limits of the code: start-up, cleaning up, the way back. */
const LEASE_MARGIN_MS = 15_000

/**
 * How long a runner may keep an execution. The candidate and each check program have the wall
 * limit for themselves, one after the other in the worst case; a language of which no gateway knows whether it is
 * compiled has the time of a compiler before that.
 */
export function leaseMs({ limits, compileLimits, checks, language }: ExecutionRequest): number {
  const compileMs = isNeverCompiled(language) ? 0 : compileLimits.wallMs
  return compileMs + limits.wallMs * (1 + checks.length) + LEASE_MARGIN_MS
}

const isNeverCompiled = (language: string): boolean => checkedLanguageSchema.safeParse(language).success

const FIRST_BACKOFF_MS = 10
const MAX_BACKOFF_MS = 320

/**
 * The pause for a runner that said `busy`: its slots are taken by other replicas. Each further
 * time in a row doubles it.
 * @returns ms, 0 if it is pausing already
 */
export function backOff(runner: Runner, now: number): number {
  if (runner.busyUntil > now) return 0
  runner.backoffMs = runner.backoffMs === 0 ? FIRST_BACKOFF_MS : Math.min(runner.backoffMs * 2, MAX_BACKOFF_MS)
  return runner.backoffMs
}
