import { type RateFacts, type Remedy, UpstreamFault } from '@loopgate/cerebras'
import type { Usage } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Amounts } from '../schedule/buckets/amounts.ts'
import type { Grant } from '../schedule/types.ts'

/** What a fault is called in metrics. */
export const kindOf = (error: LoopgateError): string => (error instanceof UpstreamFault ? error.kind : 'other')

/** What a fault says of the bucket that its call came out of. */
export function heed(grant: Grant, error: LoopgateError, { pauses, pauseMs }: Remedy): void {
  const rate = error instanceof UpstreamFault ? error.rate : null
  if (rate !== null) grant.told(rate)
  if (pauses !== 'bucket' && pauses !== 'all') return
  // A reset is told for the end of the minute, though the bucket refills all the time; where it holds
  // what this call needs and the provider refuses it all the same, only the provider knows why.
  const refillsMs = isReset(error, rate) ? grant.waitMs() : 0
  grant.pause(refillsMs > 0 ? Math.min(pauseMs, refillsMs) : pauseMs, kindOf(error), pauses === 'all')
}

/** Whether the time to wait is what the reply says of its windows, and not an order to stay away. */
function isReset({ retryAfterMs }: LoopgateError, rate: RateFacts | null): boolean {
  if (rate === null || retryAfterMs === null) return false
  const windows = [...Object.values(rate.requests), ...Object.values(rate.tokens)]
  return windows.some(({ resetMs }) => resetMs !== null && Math.abs(resetMs - retryAfterMs) < 1)
}

/** What a call has used of the buckets, as its reply tells. */
export function amountsOf(usage: Usage): Amounts {
  const total = usage.prompt_tokens + usage.completion_tokens
  return { requests: 1, tokens: Math.max(0, total - cachedTokens(usage)), totalTokens: total }
}

/** Prompt tokens that the provider had cached, which count against the total limit alone. */
function cachedTokens(usage: Usage): number {
  const details: unknown = usage['prompt_tokens_details']
  if (typeof details !== 'object' || details === null || !('cached_tokens' in details)) return 0
  return typeof details.cached_tokens === 'number' ? Math.max(0, details.cached_tokens) : 0
}
