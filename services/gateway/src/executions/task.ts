import type { ExecutionRequest, ExecutionResult, OutputStream } from '@loopgate/contracts'
import type { Reuse } from '@loopgate/execution-store'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Runner } from '../runners/hub.ts'
import type { Ticket } from './fair-queue.ts'

/** What somebody wants to be run. */
export type Order = {
  /** Its id, where it has one already. */
  readonly id?: string
  readonly tenant: string
  /** The API key that asked for it, whose limits count beside the tenant's; absent where that is not known any more. */
  readonly keyId?: string
  readonly request: ExecutionRequest
  /** Size of the request as it came, for the bound on what waits. */
  readonly bytes: number
  /** Aborting it takes the execution out of the queue or kills it. */
  readonly signal: AbortSignal
  /** How long it may wait for a runner, in ms, if that is less than the operator's bound. */
  readonly waitMs?: number | null
  /** Told of what happens before the end; nobody watches most executions. */
  readonly watch?: Watch
  /** Whether a known verdict will do; `renew` runs it and keeps what comes, `ignore` not even that. Default `use`. */
  readonly reuse?: Reuse
}

/** Output while it comes. It may be lost on the way; the result has all that the limits allow. */
type Output = { readonly stream: OutputStream; readonly text: string; readonly skippedBytes: number }

type Watch = {
  /** A runner has begun. A second time after the first runner was lost: what it had put out counts no more. */
  readonly onStart: (start: { readonly id: string; readonly runnerId: string; readonly attempt: number }) => void
  readonly onOutput?: (output: Output) => void
}

/**
 * One execution from request to answer. It waits (has a ticket), is offered (has a lease that is
 * not accepted), runs (its lease is accepted), and is settled once.
 */
export type Task = {
  readonly id: string
  readonly order: Order
  /** Since when it waits for a runner to accept it; monotonic ms. */
  waitingSince: number
  ticket: Ticket<Task> | null
  /** The latest lease; still good for a late result while no newer one exists. */
  lease: Lease | null
  /** Runners that failed it: lost, too late, refusing it, or with a fault of their own. */
  readonly failedOn: Set<string>
  losses: number
  /** All that it has waited so far. */
  queueMs: number
  settled: boolean
  stopDeadline: () => void
  readonly resolve: (result: ExecutionResult) => void
  readonly reject: (error: LoopgateError) => void
}

/** A runner's right to one execution. */
export type Lease = {
  readonly id: string
  readonly task: Task
  readonly runner: Runner
  accepted: boolean
  stopTimer: () => void
}
