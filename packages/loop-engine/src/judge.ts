import type { Check, ExecutionInput, ExecutionResult, LoopRequest, Outcome, Verdict } from '@loopgate/contracts'

/** What an execution said of a candidate. */
export type Judgement = {
  readonly outcome: Outcome
  readonly verdict: Verdict
  readonly evidence: string
  /** The gateway knew it: nothing was executed. */
  readonly known?: true
}

const FILE_NAMES = { python: 'candidate.py', javascript: 'candidate.js', typescript: 'candidate.ts' } as const

/** Evidence is kept with every iteration and goes into events: a few lines say enough. */
const MAX_EVIDENCE_CHARS = 4_096
const MAX_STDERR_CHARS = 1_024

/** The body of `POST /api/executions` that has a candidate judged. */
export function executionInput(request: LoopRequest, code: string): ExecutionInput {
  return {
    language: request.language,
    files: [{ path: FILE_NAMES[request.language], content: code }],
    limits: request.limits,
    isolation: request.isolation,
    checks: request.checks,
  }
}

/**
 * The judgement of a result, null if the result is a fault of the runner and says nothing of the
 * candidate. A candidate passes when every check that was asked for has a record that says so: a
 * missing one is an error and counts against it. How the candidate's own process ended is evidence.
 */
export function judge(checks: readonly Check[], result: ExecutionResult): Judgement | null {
  if (result.outcome === 'internal_error') return null
  const { outcome } = result
  const known = result.cached === true ? { known: true as const } : {}
  for (const { id } of checks) {
    const record = result.checks.find(({ checkId }) => checkId === id)
    if (record?.verdict === 'pass') continue
    const verdict = record?.verdict ?? 'error'
    const said = record === undefined ? `${outcome}: check ${id} gave no verdict` : record.evidence
    const stderr = said === '' || record === undefined ? result.stderr.slice(-MAX_STDERR_CHARS) : ''
    const evidence = [said, stderr].filter((part) => part !== '').join('\n')
    return { outcome, verdict, evidence: evidence.slice(0, MAX_EVIDENCE_CHARS), ...known }
  }
  return { outcome, verdict: 'pass', evidence: '', ...known }
}
