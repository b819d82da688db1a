import { secondsSpent } from './budget.ts'
import { abort, ask, close, open, type Draft } from './draft.ts'
import { extractCandidate } from './extract.ts'
import type { EngineStart, EngineState, Fault, LoopCommand, LoopEngineEvent } from './types.ts'
import { advance, end, hasPass, isWanted, plan } from './wave.ts'

const DEFAULT_MAX_FAULTS = 5

/** The state of a loop at the start of a slice. `maxFaults`: faults in a row of one call that pause the loop. */
export function createState(start: EngineStart, { maxFaults = DEFAULT_MAX_FAULTS } = {}): EngineState {
  const { request, committed, waves, waveEnd, spentTokens, promptTokens, seen } = start
  return {
    request,
    maxFaults,
    phase: 'ready',
    yielding: false,
    committed,
    wave: waves,
    waveEnd,
    spentTokens,
    promptTokens,
    seen,
    seenInWave: new Map(),
    slots: new Map(),
    judged: new Map(),
    pending: new Map(),
    nextId: 1,
  }
}

/**
 * One step of the loop: what has happened, to what is now the case and what is to be done. Pure:
 * the same state and event give the same result, and in whatever order the answers of a wave come,
 * the same iterations are committed with the same verdicts and the lowest that passes is accepted.
 */
export function step(state: EngineState, event: LoopEngineEvent): { state: EngineState; commands: LoopCommand[] } {
  const expected = event.type === 'start' ? 'ready' : 'running'
  const early = state.phase === 'ready' && (event.type === 'cancel' || event.type === 'deadline')
  const stray = 'id' in event && !state.pending.has(event.id)
  if ((state.phase !== expected && !early) || stray) return { state, commands: [] }
  const draft = open(state)
  apply(draft, event)
  return close(draft)
}

function apply(draft: Draft, event: LoopEngineEvent): void {
  switch (event.type) {
    case 'start':
      draft.phase = 'running'
      return plan(draft)
    case 'generated': {
      const pending = draft.pending.get(event.id)
      const slot = pending?.type === 'generate' ? draft.slots.get(pending.iteration) : undefined
      if (pending?.type !== 'generate' || slot === undefined) return
      draft.pending.delete(event.id)
      const { answer } = event
      const candidate = extractCandidate(draft.request, answer.text, answer.finishReason)
      draft.slots.set(pending.iteration, { ...slot, generated: { answer, candidate } })
      return advance(draft)
    }
    case 'executed': {
      const pending = draft.pending.get(event.id)
      if (pending?.type !== 'execute') return
      draft.pending.delete(event.id)
      draft.judged.set(pending.sha256, event.judgement)
      return advance(draft)
    }
    case 'fault':
      return meetFault(draft, event.id, event.fault)
    case 'cancel':
      return end(draft, { state: 'cancelled', reason: 'cancelled by request' })
    case 'deadline':
      // It ends the search, not the confirmation of a find: nothing new is started for that but
      // executions of lower iterations, which have their own limits.
      if (hasPass(draft)) return
      return end(draft, { state: 'exhausted', reason: secondsSpent(draft.request.budget.seconds) })
    case 'yield':
      draft.yielding = true
      return
    case 'stop':
      draft.phase = 'yielded'
      abort(draft, () => true)
      draft.commands.push({ type: 'yield' })
      return
  }
}

/** A fault of upstream or sandbox is no candidate's failure: the same call again, and no iteration used up. */
function meetFault(draft: Draft, id: number, fault: Fault): void {
  const pending = draft.pending.get(id)
  if (pending === undefined) return
  draft.pending.delete(id)
  if (pending.type === 'generate' && !isWanted(draft, pending.iteration)) return
  const what = pending.type === 'generate' ? 'generation' : 'execution'
  if (fault.final) return end(draft, { state: 'failed', reason: `${what} refused: ${fault.reason}` })
  if (pending.attempt >= draft.maxFaults) {
    const reason = `${what} failed ${pending.attempt} times in a row: ${fault.reason}`
    return end(draft, { state: 'paused', reason })
  }
  ask(draft, { ...pending, attempt: pending.attempt + 1 }, fault.retryAfterMs)
}
