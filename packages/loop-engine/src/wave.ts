import type { IterationRecord } from '@loopgate/contracts'
import { allowance } from './budget.ts'
import { abort, ask, type Draft } from './draft.ts'
import type { Judgement } from './judge.ts'
import type { EngineTransition, Slot } from './types.ts'

/** Starts the next wave, or the rest of the one that an earlier slice left; ends the loop if a budget is spent. */
export function plan(draft: Draft): void {
  if (draft.committed >= draft.waveEnd) {
    const allowed = allowance(draft)
    if ('exhausted' in allowed) return end(draft, { state: 'exhausted', reason: allowed.exhausted })
    if (draft.yielding) {
      draft.phase = 'yielded'
      draft.commands.push({ type: 'yield' })
      return
    }
    draft.wave += 1
    draft.waveEnd = draft.committed + allowed.width
  }
  for (let iteration = draft.committed + 1; iteration <= draft.waveEnd; iteration += 1) {
    // The position is fixed before the call. The prompt of a loop never changes, so the index goes
    // on over all waves.
    draft.slots.set(iteration, { sampleIndex: iteration - 1, generated: null })
    ask(draft, { type: 'generate', iteration, attempt: 1 })
  }
}

/** Draws the consequences of what has arrived: executions to start or give up, iterations to commit. */
export function advance(draft: Draft): void {
  const limit = lowestPass(draft)
  const wanted = new Set<string>()
  for (const [iteration, slot] of draft.slots) {
    const sha256 = slot.generated?.candidate.sha256
    if (sha256 !== undefined && iteration < limit && judgementOf(draft, slot) === null) wanted.add(sha256)
  }
  abort(draft, (pending) => pending.type === 'execute' && !wanted.has(pending.sha256))
  for (const pending of draft.pending.values()) if (pending.type === 'execute') wanted.delete(pending.sha256)
  for (const sha256 of wanted) ask(draft, { type: 'execute', sha256, attempt: 1 })
  commitJudged(draft)
}

/** Whether the iteration may still be the accepted one. */
export const isWanted = (draft: Draft, iteration: number): boolean => iteration < lowestPass(draft)

/** Whether a candidate passes that only has to wait for the verdicts of lower iterations. */
export const hasPass = (draft: Draft): boolean => lowestPass(draft) < Infinity

/**
 * Ends the slice and the loop. Executions are given up. Generations under way are too, except on
 * acceptance: their tokens are reserved and mostly spent, and once they are in the cache a re-run
 * of the loop costs nothing; a cancelled or failing loop wants no more spent.
 */
export function end(draft: Draft, transition: EngineTransition): void {
  draft.transition = transition
  draft.phase = 'ended'
  abort(draft, (pending) => transition.state !== 'accepted' || pending.type === 'execute')
}

/** The lowest iteration of the wave whose candidate passes; what lies above it is of no interest. */
function lowestPass(draft: Draft): number {
  let lowest = Infinity
  for (const [iteration, slot] of draft.slots) {
    if (iteration < lowest && judgementOf(draft, slot)?.verdict === 'pass') lowest = iteration
  }
  return lowest
}

function judgementOf(draft: Draft, { generated }: Slot): Judgement | null {
  if (generated === null) return null
  const { sha256, refusal } = generated.candidate
  if (refusal !== null) return { outcome: 'compile_error', verdict: 'fail', evidence: refusal }
  return draft.judged.get(sha256) ?? draft.seenInWave.get(sha256) ?? draft.seen.get(sha256) ?? null
}

/** Commits iterations in ascending order, as far as they are judged without a gap; the first that passes ends the loop. */
function commitJudged(draft: Draft): void {
  for (let iteration = draft.committed + 1; iteration <= draft.waveEnd; iteration += 1) {
    const slot = draft.slots.get(iteration)
    const judgement = slot === undefined ? null : judgementOf(draft, slot)
    if (slot === undefined || judgement === null) return
    const record = commitOne(draft, iteration, slot, judgement)
    if (record.verdict === 'pass') {
      const { sampleIndex, candidateSha256 } = record
      const code = slot.generated?.candidate.code ?? ''
      const accepted = { iteration, sampleIndex, candidateSha256, code }
      return end(draft, { state: 'accepted', reason: `iteration ${iteration} passes every check`, accepted })
    }
  }
  // The wave is over: what it saw joins what the loop has seen, one copy a wave.
  draft.seen = new Map([...draft.seen, ...draft.seenInWave])
  draft.seenInWave = new Map()
  draft.judged = new Map()
  plan(draft)
}

function commitOne(draft: Draft, iteration: number, slot: Slot, judgement: Judgement): IterationRecord {
  const { generated } = slot
  if (generated === null) throw new Error('an iteration is committed before its generation')
  const { answer, candidate } = generated
  const first =
    candidate.refusal === null
      ? (draft.seenInWave.get(candidate.sha256) ?? draft.seen.get(candidate.sha256))
      : undefined
  const { outcome, verdict, evidence } = judgement
  const record: IterationRecord = {
    iteration,
    wave: draft.wave,
    sampleIndex: slot.sampleIndex,
    cache: answer.cache,
    completionTokens: answer.completionTokens,
    totalTokens: answer.totalTokens,
    candidateSha256: candidate.sha256,
    duplicateOf: first?.iteration ?? null,
    outcome,
    verdict,
    evidence,
  }
  const fresh = candidate.refusal === null && first === undefined
  if (fresh) draft.seenInWave.set(candidate.sha256, { iteration, outcome, verdict, evidence })
  draft.iterations.push({ record, fresh, executed: fresh && judgement.known !== true })
  draft.commitWaveEnd = draft.waveEnd
  draft.committed = iteration
  draft.spentTokens += answer.totalTokens
  draft.promptTokens = answer.totalTokens - answer.completionTokens
  draft.slots.delete(iteration)
  return record
}
