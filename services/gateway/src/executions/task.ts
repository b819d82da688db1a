import type { ExecutionRequest, ExecutionResult } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Runner } from '../runners/hub.ts'
import type { Ticket } from './fair-queue.ts'

/**
 * One execution from request to answer. It waits (has a ticket), is offered (has a lease that is
 * not accepted), runs (its lease is accepted), and is settled once.
 */
export type Task = {
  readonly id: string
  readonly tenant: string
  readonly request: ExecutionRequest
  /** Size of the request as it came, for the bound on what waits. */
  readonly bytes: number
  /** Since when it waits for a runner to accept it; monotonic ms. */
  waitingSince: number
  ticket: Ticket<Task> | null
  /** The latest lease; still good for a late result while no newer one exists. */
  lease: Lease | null
  /** Runners lost under it. */
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
