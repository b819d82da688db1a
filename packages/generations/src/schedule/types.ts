import type { LoopgateError } from '@loopgate/service-kit'
import type { Amounts } from './buckets/amounts.ts'
import type { Reservation } from './buckets/bucket.ts'
import type { Told } from './buckets/corrections.ts'
import type { Waiting } from './queue/types.ts'

/** One that asks to call the upstream, and hears once for each time that it asks. */
export type Asking = Omit<Waiting, 'tokens'> & {
  readonly model: string
  readonly amounts: Amounts
  /** On the monotonic clock: it waits no longer. */
  readonly deadlineMs: number
  /** An organisation that another is preferred to, since a call there has just failed. */
  readonly avoid: string | null
  readonly granted: (grant: Grant) => void
  readonly refused: (error: LoopgateError) => void
}

/** One that waits, and what its turn costs: that stays as it was when it came. */
export type Place = Waiting & { readonly asking: Asking; readonly patienceEnds: () => void }

/** The right to make one call; ends with `settle`, exactly once. */
export type Grant = {
  readonly organisation: string
  readonly reservation: Reservation
  /** The provider has taken the call, or refused it: what it says of its buckets. */
  readonly told: (facts: Told) => void
  /** The provider has taken the call. */
  readonly taken: () => void
  /** The call is over and has used so much. */
  readonly settle: (used: Amounts) => void
  /** How long until as much as this call takes could go there again, in ms; 0 if it is there. */
  readonly waitMs: () => number
  /** The provider refuses everything, here or for all organisations, for a reason out of a short list. */
  readonly pause: (length: PauseLength, reason: string, all: boolean) => void
}

/** How long nothing goes to where a call was refused, in ms: each time twice as long, until one gets through. */
export type PauseLength = { readonly firstMs: number; readonly atMostMs: number }
