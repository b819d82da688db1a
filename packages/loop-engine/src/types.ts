import type { Accepted, CacheOutcome, IterationRecord, LoopRequest } from '@loopgate/contracts'
import type { Candidate } from './extract.ts'
import type { Judgement } from './judge.ts'

/** What a generation brought. */
export type Answer = {
  readonly text: string
  readonly finishReason: string | null
  readonly cache: CacheOutcome
  readonly completionTokens: number
  readonly totalTokens: number
}

/** A failure that is not the candidate's. */
export type Fault = {
  readonly reason: string
  /** Trying again is in vain: the request itself is refused. */
  readonly final: boolean
  /** How long whoever refused asks to wait. */
  readonly retryAfterMs: number | null
}

/** Every command that wants an answer has an id; answers to an id that is not pending change nothing. */
export type LoopEngineEvent =
  | { readonly type: 'start' }
  | { readonly type: 'generated'; readonly id: number; readonly answer: Answer }
  | { readonly type: 'executed'; readonly id: number; readonly judgement: Judgement }
  | { readonly type: 'fault'; readonly id: number; readonly fault: Fault }
  /** The caller wants the loop to end. */
  | { readonly type: 'cancel' }
  /** The seconds of the budget are over. */
  | { readonly type: 'deadline' }
  /** The quantum is spent: end after this wave. */
  | { readonly type: 'yield' }
  /** The worker has to go: end now; what is not committed is done again, from the cache. */
  | { readonly type: 'stop' }

export type LoopCommand =
  | {
      readonly type: 'generate'
      readonly id: number
      readonly iteration: number
      readonly sampleIndex: number
      /** From 1; above it the call follows a fault and wants a pause first. */
      readonly attempt: number
      readonly retryAfterMs: number | null
    }
  | {
      readonly type: 'execute'
      readonly id: number
      readonly sha256: string
      readonly code: string
      readonly attempt: number
      readonly retryAfterMs: number | null
    }
  /** These are no longer wanted and get no answer. */
  | { readonly type: 'abort'; readonly ids: readonly number[] }
  /** Commits are to be made one after the other, in the order given. */
  | { readonly type: 'commit'; readonly commit: EngineCommit }
  /** The slice is over once the commits are made; the loop is not. */
  | { readonly type: 'yield' }

export type EngineTransition =
  | { readonly state: 'accepted'; readonly reason: string; readonly accepted: Accepted }
  | { readonly state: 'exhausted' | 'failed' | 'cancelled' | 'paused'; readonly reason: string }

export type EngineCommit = {
  readonly iterations: ReadonlyArray<{
    readonly record: IterationRecord
    /** The loop's first look at the candidate: its judgement is remembered. */
    readonly fresh: boolean
    /** It ran; not so where the gateway knew the verdict. */
    readonly executed: boolean
  }>
  readonly waveEnd: number
  readonly transition?: EngineTransition
}

export type SeenCandidate = Judgement & { readonly iteration: number }

export type Pending =
  | { readonly type: 'generate'; readonly iteration: number; readonly attempt: number }
  | { readonly type: 'execute'; readonly sha256: string; readonly attempt: number }

/** One iteration of the wave under way, from its call to its commit. */
export type Slot = {
  readonly sampleIndex: number
  readonly generated: { readonly answer: Answer; readonly candidate: Candidate } | null
}

/** The state of a loop in one slice. Values are never changed in place. */
export type EngineState = {
  readonly request: LoopRequest
  /** Faults in a row of one call after which the loop pauses. */
  readonly maxFaults: number
  readonly phase: 'ready' | 'running' | 'yielded' | 'ended'
  readonly yielding: boolean
  readonly committed: number
  readonly wave: number
  readonly waveEnd: number
  readonly spentTokens: number
  /** Of one prompt; 0 while no reply has told. */
  readonly promptTokens: number
  /** Candidates that were executed, by hash, up to the wave before. */
  readonly seen: ReadonlyMap<string, SeenCandidate>
  /** The same of this wave, committed iterations only. */
  readonly seenInWave: ReadonlyMap<string, SeenCandidate>
  /** Iterations of this wave that are not committed. */
  readonly slots: ReadonlyMap<number, Slot>
  /** Judgements of this wave by candidate hash, whichever iteration asked first. */
  readonly judged: ReadonlyMap<string, Judgement>
  readonly pending: ReadonlyMap<number, Pending>
  readonly nextId: number
}

/** What a slice resumes from; LoopSnapshot of packages/loop-store has it all. */
export type EngineStart = {
  readonly request: LoopRequest
  readonly committed: number
  readonly waves: number
  readonly waveEnd: number
  readonly spentTokens: number
  readonly promptTokens: number
  readonly seen: ReadonlyMap<string, SeenCandidate>
}
