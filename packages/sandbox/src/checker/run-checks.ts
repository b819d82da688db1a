import type { CheckResult, ExecutionRequest } from '@loopgate/contracts'
import type { SessionDeps, SessionEnd } from '../jail/session.ts'
import type { Runtime } from '../languages/runtime.ts'
import { candidateSha256 } from '../candidate-hash.ts'
import { howItEnded, runCheck } from './run-check.ts'
import { serveCandidate, type ServedCandidate } from './serve-candidate.ts'

export type ChecksRun = {
  readonly end: SessionEnd
  readonly checks: CheckResult[]
  /** The candidate served until we were done with it. */
  readonly served: boolean
}

/**
 * Loads the candidate in one sandbox and judges it by each check, in order, in sandboxes of their own.
 * The checker starts only once the candidate answers: one candidate in five never gets there. Once the
 * candidate has ended, the checks left over fail.
 * @throws Error if a sandbox cannot be started
 */
export async function runChecks(
  deps: SessionDeps,
  runtime: Runtime,
  request: ExecutionRequest,
  id: string,
  init: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  /** Of the candidate as it was sent, which may have been translated since. */
  sha256 = candidateSha256(request.files),
): Promise<ChecksRun> {
  const candidate = serveCandidate(deps, runtime, request, id, init)
  const cancel = () => candidate.session.kill('cancelled')
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const checks = await judge(candidate)
    // Asked before we end it ourselves.
    const served = candidate.violation() === null && !candidate.hasEnded()
    candidate.session.kill('finished')
    return { end: await candidate.ended, checks, served }
  } finally {
    signal.removeEventListener('abort', cancel)
    candidate.session.kill('finished')
  }

  async function judge(candidate: ServedCandidate): Promise<CheckResult[]> {
    const defined = await candidate.ready
    const results: CheckResult[] = []
    for (const [i, check] of request.checks.entries()) {
      const fail = (evidence: string): CheckResult => ({
        checkId: check.id,
        verdict: 'fail',
        evidence,
        calls: 0,
        answered: 0,
        candidateSha256: sha256,
        durationMs: 0,
      })
      if (defined === null || candidate.hasEnded() || candidate.violation() !== null)
        results.push(fail(await howItEnded(candidate, request.limits)))
      else if (defined[i] !== true) results.push(fail(`the candidate defines no function ${check.entryPoint}`))
      else {
        const facts = { limits: request.limits, id: `${id}-c${i}`, candidateSha256: sha256 }
        results.push(await runCheck({ deps, runtime, init, candidate, signal, ...facts }, check))
      }
    }
    return results
  }
}
