import type {
  Accepted,
  IterationRecord,
  LoopEvent,
  LoopList,
  LoopRequest,
  LoopState,
  LoopView,
  Outcome,
  Verdict,
} from '@loopgate/contracts'

/** What a repeated candidate gets instead of an execution. */
export type Judgement = {
  readonly iteration: number
  readonly outcome: Outcome
  readonly verdict: Verdict
  readonly evidence: string
}

/** Who made a loop, and pays for it. */
export type LoopCreator = {
  readonly tenant: string
  /** Names the API key. */
  readonly keyId: string
}

/** All that a slice needs to go on where the last commit stopped. */
export type LoopSnapshot = {
  readonly tenant: string
  readonly view: LoopView
  /** Iterations committed; the next one is `committed + 1`. */
  readonly committed: number
  /** Last iteration of the wave that the latest commit belonged to, 0 before the first. */
  readonly waveEnd: number
  /** Prompt tokens of the latest committed iteration, 0 before the first. */
  readonly promptTokens: number
  /** Wall-clock milliseconds since the epoch at which the loop first ran. */
  readonly startedAtMs: number
  /** Judgements by candidate hash, of every distinct candidate that was judged. */
  readonly seen: ReadonlyMap<string, Judgement>
}

export type Acquired = {
  readonly fence: number
  readonly snapshot: LoopSnapshot
  /** Acquisitions since the last committed iteration, this one included: tells a loop that kills its workers. */
  readonly barrenAcquires: number
}

/**
 * `fresh` is false for a repeated candidate and for one refused before the sandbox; `executed` for one
 * whose verdict was known, too.
 */
export type CommittedIteration = {
  readonly record: IterationRecord
  readonly fresh: boolean
  readonly executed: boolean
}

/** What one commit adds: iterations dense and ascending, and at the end of a loop its transition. */
export type LoopCommit = {
  readonly iterations: readonly CommittedIteration[]
  /** Last iteration of the wave that these belong to. */
  readonly waveEnd: number
  readonly transition?: LoopTransition
}

export type LoopTransition =
  | { readonly state: 'accepted'; readonly reason: string; readonly accepted: Accepted }
  | { readonly state: 'exhausted' | 'failed' | 'cancelled' | 'stalled' | 'paused'; readonly reason: string }

/**
 * `ok`: written, now or by an earlier try of the same commit. `stale`: another worker has acquired
 * the loop since. `ended`: the loop is in a terminal state or gone.
 */
export type CommitResult = { readonly result: 'ok' | 'stale' | 'ended'; readonly state: LoopState | null }

/** Totals over all loops since the store was first used. Never decreasing. */
export type LoopStats = {
  readonly iterationsByVerdict: Readonly<Record<Verdict, number>>
  /** Loops that ever entered the state; `created` counts them all. */
  readonly loopsByState: Readonly<Partial<Record<LoopState | 'created', number>>>
  readonly duplicates: number
  readonly executions: number
  readonly tokens: number
}

/** A loop that is not in a terminal state, as the sweeper sees it. */
export type LiveLoop = { readonly id: string; readonly state: LoopState; readonly updatedAtMs: number }

/** What a notification says; null means notifications may have been missed: read the loop. */
export type LoopNotice = { readonly seq: number; readonly state: LoopState } | null

/**
 * Durable loops. Every method throws LG_STORE_UNAVAILABLE when Redis is not reachable (with the
 * `fail-fast` profile within its command timeout; with `worker` they wait instead). All methods may
 * be called concurrently, from any number of processes.
 */
export type LoopStore = {
  /**
   * Creates a loop in state `queued`. The same tenant, idempotency key and body give the first loop
   * again with `created: false`. The caller enqueues its slice; if it dies before, the sweeper does.
   * @throws LG_CONFLICT for the same key with another body
   */
  readonly create: (
    creator: LoopCreator,
    request: LoopRequest,
    idempotencyKey?: string,
  ) => Promise<{ readonly loop: LoopView; readonly created: boolean }>
  readonly get: (id: string) => Promise<{ readonly tenant: string; readonly view: LoopView } | null>
  /** Who made a loop, null if it is not there. Never changes. */
  readonly creator: (id: string) => Promise<LoopCreator | null>
  /** A tenant's loops, newest first. `after` is the `next` of the page before; `limit` at most 200. */
  readonly list: (
    tenant: string,
    page: { readonly after?: string; readonly limit: number; readonly state?: LoopState },
  ) => Promise<LoopList>
  /** Queued and paused loops end at once as `cancelled`; a running one goes to `stopping` and its worker ends it. */
  readonly cancel: (id: string) => Promise<LoopView | null>
  /** A paused loop goes back to `queued`; others stay. The caller enqueues its slice. */
  readonly resume: (id: string) => Promise<LoopView | null>
  /** Events with a number above `seq`, in order, at most `limit` of them. */
  readonly eventsAfter: (id: string, seq: number, limit: number) => Promise<LoopEvent[]>
  /**
   * Calls `listener` after each transition of the loop, and with null after a reconnect. Resolves
   * once subscribed, so: subscribe first, then read `eventsAfter`, and nothing is missed.
   */
  readonly onEvents: (id: string, listener: (notice: LoopNotice) => void) => Promise<() => void>
  readonly stats: () => Promise<LoopStats>

  /** For a worker: raises the fence, so that commits of earlier holders are refused. Null if there is nothing to run. */
  readonly acquire: (id: string) => Promise<Acquired | null>
  /** For a worker: appends records and, at the end, a transition. Repeating a commit changes nothing. */
  readonly commit: (id: string, fence: number, commit: LoopCommit) => Promise<CommitResult>
  /** For the sweeper: live loops, oldest first, from a cursor ('' to begin). Ended ones are tidied away. */
  readonly live: (
    cursor: string,
    limit: number,
  ) => Promise<{ readonly loops: LiveLoop[]; readonly next: string | null }>
  /** Takes a right of this name for `ms` if nobody holds it: so that one process in many sweeps. */
  readonly claim: (name: string, ms: number) => Promise<boolean>
  /** Drops the subscriptions. The connection that was passed in stays open. */
  readonly close: () => Promise<void>
}
