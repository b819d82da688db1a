import type { Surface } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Generation } from '../types.ts'
import type { Seat } from './flight.ts'

/** Whom a seat is for. */
export type Owner = {
  readonly surface: Surface
  /** A chunk that holds nothing but usage is for callers that asked for it. */
  readonly includeUsage: boolean
  /** The answer has begun, or is there as a whole. */
  readonly give: (content: Generation['content']) => void
  /** The first bytes of a stream have been given to the caller. */
  readonly began: () => void
  /** Told once: null for a whole answer, else why not. */
  readonly over: (error: LoopgateError | null) => void
}

/** A seat as its owner sees it. */
export type OwnedSeat = Seat & {
  /** The caller has gone. */
  readonly leave: () => void
}
