import type { Judgement } from './judge.ts'
import type { EngineCommit, EngineState, EngineTransition, LoopCommand, Pending, SeenCandidate, Slot } from './types.ts'

type Writable = Pick<EngineState, 'slots' | 'seenInWave' | 'judged' | 'pending'>

/** A state being changed within one step, and the commands that come of it. */
export type Draft = {
  -readonly [Name in Exclude<keyof EngineState, keyof Writable>]: EngineState[Name]
} & {
  slots: Map<number, Slot>
  seenInWave: Map<string, SeenCandidate>
  judged: Map<string, Judgement>
  readonly pending: Map<number, Pending>
  readonly commands: LoopCommand[]
  readonly iterations: Array<EngineCommit['iterations'][number]>
  /** End of the wave that the iterations of this step belong to: the next may be planned in the same step. */
  commitWaveEnd: number
  transition: EngineTransition | null
}

/** Copies what a step may change; `seen` is replaced as a whole, once a wave. */
export function open(state: EngineState): Draft {
  return {
    ...state,
    slots: new Map(state.slots),
    seenInWave: new Map(state.seenInWave),
    judged: new Map(state.judged),
    pending: new Map(state.pending),
    commands: [],
    iterations: [],
    commitWaveEnd: state.waveEnd,
    transition: null,
  }
}

/** The new state; what the step commits comes before what it asks for, in one commit. */
export function close(draft: Draft): { state: EngineState; commands: LoopCommand[] } {
  const { commands, iterations, transition, commitWaveEnd, ...state } = draft
  if (iterations.length === 0 && transition === null) return { state, commands }
  const commit = { iterations, waveEnd: commitWaveEnd, ...(transition === null ? {} : { transition }) }
  return { state, commands: [{ type: 'commit', commit }, ...commands] }
}

/** Asks for a generation or an execution. */
export function ask(draft: Draft, pending: Pending, retryAfterMs: number | null = null): void {
  const id = draft.nextId
  draft.nextId += 1
  draft.pending.set(id, pending)
  const { attempt } = pending
  if (pending.type === 'generate') {
    const { iteration } = pending
    const sampleIndex = draft.slots.get(iteration)?.sampleIndex ?? 0
    draft.commands.push({ type: 'generate', id, iteration, sampleIndex, attempt, retryAfterMs })
  } else {
    const { sha256 } = pending
    draft.commands.push({ type: 'execute', id, sha256, code: codeOf(draft, sha256), attempt, retryAfterMs })
  }
}

/** Gives up pending commands. */
export function abort(draft: Draft, unwanted: (pending: Pending) => boolean): void {
  const ids = [...draft.pending].filter(([, pending]) => unwanted(pending)).map(([id]) => id)
  for (const id of ids) draft.pending.delete(id)
  if (ids.length > 0) draft.commands.push({ type: 'abort', ids })
}

function codeOf(draft: Draft, sha256: string): string {
  for (const { generated } of draft.slots.values()) {
    if (generated?.candidate.sha256 === sha256) return generated.candidate.code
  }
  throw new Error('an execution was asked for without a candidate')
}
