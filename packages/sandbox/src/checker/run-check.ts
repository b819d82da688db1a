import { randomBytes } from 'node:crypto'
import type { Check, CheckResult, Limits, Outcome } from '@loopgate/contracts'
import { startSession, type Session, type SessionDeps, type SessionEnd } from '../jail/session.ts'
import type { Runtime } from '../languages/runtime.ts'
import { outcomeOf } from '../outcome.ts'
import { createRecordReader, readRecord, type Judgement } from './record.ts'
import type { ServedCandidate } from './serve-candidate.ts'

/** Output of a check program: shown only when it breaks, so little is kept. */
const CHECK_OUTPUT_BYTES = 64 * 1024
const EVIDENCE_CHARACTERS = 4000

export type CheckContext = {
  readonly deps: SessionDeps
  readonly runtime: Runtime
  readonly limits: Limits
  readonly id: string
  readonly init: Readonly<Record<string, unknown>>
  readonly candidate: ServedCandidate
  readonly candidateSha256: string
  readonly signal: AbortSignal
}

/**
 * Judges the candidate by one check program in a fresh sandbox.
 *
 * `fail` is the candidate's doing: it ended, ran into a limit, broke the protocol, returned what is not
 * plain data, or the check program refused its answers. A check program that breaks before the first
 * answer, or has no valid record, gives `error`.
 * @throws Error if the checker's sandbox cannot be started
 */
export async function runCheck(context: CheckContext, check: Check): Promise<CheckResult> {
  const { deps, candidate, candidateSha256, limits } = context
  const begunMs = deps.clock.now()
  const nonce = randomBytes(16).toString('hex')
  const reader = createRecordReader()
  const counts = { calls: 0, answered: 0 }
  let decided: Judgement | null = null
  let pumping = false

  const conclude = (judgement: Judgement) => {
    decided ??= judgement
    session.kill('finished')
  }
  const pump = async (payload: Buffer) => {
    counts.calls += 1
    const answer = await candidate.call(payload)
    if (answer === null) return conclude({ verdict: 'fail', evidence: await howItEnded(candidate, limits) })
    if (answer.kind === 'not_plain') {
      const reason = answer.payload.toString('utf8', 0, 1000)
      return conclude({ verdict: 'fail', evidence: `returned a value that is not plain data: it ${reason}` })
    }
    counts.answered += 1
    pumping = false
    session.channel.send(answer.kind === 'value' ? 'A' : 'E', answer.payload)
  }
  const { entryPoint, prelude, source, id: checkId } = check
  const session: Session = startSession(
    deps,
    {
      id: context.id,
      runtime: context.runtime,
      role: 'check',
      limits: { ...limits, outputBytes: CHECK_OUTPUT_BYTES },
      stdin: null,
    },
    Math.max(1, limits.wallMs - candidate.session.elapsedMs()),
    { ...context.init, nonce, candidateSha256, checkId, entryPoint, prelude, source },
    [],
    {
      onFrame: ({ kind, payload }) => {
        if (kind !== 'Q' || pumping)
          return conclude({ verdict: 'error', evidence: 'the check program broke its channel' })
        pumping = true
        void pump(payload)
      },
      onRecord: reader.push,
      onFault: (reason) => conclude({ verdict: 'error', evidence: `the check program: ${reason}` }),
    },
  )
  const cancel = () => session.kill('cancelled')
  context.signal.addEventListener('abort', cancel, { once: true })
  // A candidate that dies while the check program computes has not served to the end.
  let isOver = false
  const onCandidateEnd = async () => {
    const { reason } = await candidate.ended
    if (isOver || pumping) return
    if (reason === 'wall') conclude(slowCheck('time_limit', counts.answered))
    else conclude({ verdict: 'fail', evidence: await howItEnded(candidate, limits) })
  }
  void onCandidateEnd()
  const end = await session.ended
  isOver = true
  context.signal.removeEventListener('abort', cancel)
  const judgement =
    decided ??
    readOrExplain(end, limits, counts, readRecord(reader.bytes(), { nonce, candidateSha256, checkId, ...counts }))
  return { checkId, ...judgement, ...counts, candidateSha256, durationMs: deps.clock.now() - begunMs }
}

/** The record's verdict, or what the checker's end means where there is no valid record. */
function readOrExplain(
  end: SessionEnd,
  limits: Limits,
  counts: { calls: number; answered: number },
  record: Judgement | { refused: string },
): Judgement {
  if (!('refused' in record)) return record
  if (end.reason === 'wall' && counts.calls > counts.answered) {
    // The candidate's time ends at the same moment: which of the two is stopped first says nothing.
    return { verdict: 'fail', evidence: `the candidate ran into its wall limit of ${limits.wallMs} ms` }
  }
  const outcome = outcomeOf(end, limits.cpuMs)
  const tail = end.stderr.trim() === '' ? '' : `\n${end.stderr.trim().slice(-1500)}`
  if (outcome === 'time_limit' || outcome === 'memory_limit' || outcome === 'output_limit') {
    return slowCheck(outcome, counts.answered)
  }
  return { verdict: 'error', evidence: `${record.refused} (${outcome})${tail}`.slice(0, EVIDENCE_CHARACTERS) }
}

/** The check program is the same for every candidate: once it has answers, they led it into its limit. */
function slowCheck(outcome: Outcome, answered: number): Judgement {
  const verdict = answered > 0 ? 'fail' : 'error'
  return { verdict, evidence: `the check program ran into ${outcome} after ${answered} answers` }
}

/** In words, why the candidate answers no more. */
export async function howItEnded(candidate: ServedCandidate, limits: Limits): Promise<string> {
  const end = await candidate.ended
  const violation = candidate.violation()
  if (violation !== null) return `the candidate was stopped: ${violation}`
  const outcome = outcomeOf(end, limits.cpuMs)
  const tail = end.stderr.trim() === '' ? '' : `\n${end.stderr.trim().slice(-2500)}`
  switch (outcome) {
    case 'compile_error':
      return `the candidate does not compile: ${end.farewell?.text ?? ''}${tail}`.slice(0, EVIDENCE_CHARACTERS)
    case 'time_limit':
      return end.reason === 'wall'
        ? `the candidate ran into its wall limit of ${limits.wallMs} ms`
        : `the candidate ran into its CPU limit of ${limits.cpuMs} ms`
    case 'memory_limit':
      return `the candidate ran into its memory limit of ${limits.memoryBytes} bytes`
    case 'output_limit':
      return `the candidate printed more than ${limits.outputBytes} bytes`
    default:
      if (end.farewell?.kind === 'exception') return `the candidate raised while it was loaded: ${end.farewell.text}`
      return `the candidate ended by itself with status ${end.exitCode ?? end.signal}${tail}`.slice(
        0,
        EVIDENCE_CHARACTERS,
      )
  }
}
