import type { LoopgateError } from '@loopgate/service-kit'

/** What a fault of the upstream means for the call that met it, and for its bucket. */
type Remedy = {
  /** The same call may be made again while nothing of it has been given to anybody. */
  readonly again: boolean
  readonly delayMs: number
  /** The bucket is closed for so long; null if the fault says nothing about it. */
  readonly pauseMs: number | null
  /** Whether the provider has counted the call. */
  readonly counted: boolean
  readonly reason: string
}

export function remedyOf(error: LoopgateError): Remedy {
  const limited = error.code === 'LG_RATE_LIMITED'
  return {
    again: limited,
    delayMs: 0,
    pauseMs: limited ? (error.retryAfterMs ?? 1000) : null,
    counted: !limited,
    reason: limited ? 'limited' : 'failed',
  }
}
