import type { IncomingHttpHeaders } from 'node:http'
import type { CacheOutcome, ExecutionResult } from '@loopgate/contracts'
import type { Reuse } from '@loopgate/execution-store'
import type { Order } from './task.ts'

/** What `cache-control` says of known verdicts, as it does of stored completions. */
export function reuseOf({ 'cache-control': text = '' }: IncomingHttpHeaders): Reuse {
  const said = text.toLowerCase()
  if (said.includes('no-store')) return 'ignore'
  return said.includes('no-cache') ? 'renew' : 'use'
}

/** Whether the verdict was known, for the header of the reply. */
export function cacheOutcome({ reuse }: Order, { cached }: ExecutionResult): CacheOutcome {
  if (reuse !== 'use') return 'bypass'
  return cached === true ? 'hit' : 'miss'
}

/** Whether the caller would rather not wait (RFC 7240). */
export function prefersAsync({ prefer }: IncomingHttpHeaders): boolean {
  return /(?:^|[,\s])respond-async(?:$|[,;\s])/i.test(String(prefer ?? ''))
}
