import { type Remedy, UpstreamFault } from '@loopgate/cerebras'
import type { Usage } from '@loopgate/contracts'
import type { LoopgateError } from '@loopgate/service-kit'
import type { Amounts } from '../schedule/buckets/amounts.ts'
import type { Grant } from '../schedule/types.ts'

/** What a fault is called in metrics. */
export const kindOf = (error: LoopgateError): string => (error instanceof UpstreamFault ? error.kind : 'other')

/** What a fault says of the bucket that its call came out of. */
export function heed(grant: Grant, error: LoopgateError, { pauses, pauseMs, pauseAtMostMs }: Remedy): void {
  const upstream = error instanceof UpstreamFault ? error : null
  if (upstream?.rate) grant.told(upstream.rate)
  if (pauses !== 'bucket' && pauses !== 'all') return
  // Where it is known what has been used, it may be known too that there is room again sooner.
  const refillsMs = upstream?.ordered === true || pauses === 'all' ? 0 : grant.waitMs()
  const firstMs = refillsMs > 0 ? Math.min(refillsMs, pauseMs) : pauseMs
  grant.pause({ firstMs, atMostMs: pauseAtMostMs }, kindOf(error), pauses === 'all')
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
