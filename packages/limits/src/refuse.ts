import { fault, type LoopgateError } from '@loopgate/service-kit'
import type { Payer } from './payer.ts'
import type { LimitName, Refusal } from './types.ts'

const WHAT: Readonly<Record<LimitName, string>> = {
  requestsPerMinute: 'requests a minute',
  tokensPerMinute: 'tokens a minute',
  concurrentGenerations: 'completions at once',
  concurrentExecutions: 'executions at once',
  tokensPerDay: 'tokens a day',
  microUsdPerDay: 'micro-USD a day',
  tokensTotal: 'tokens in total',
  microUsdTotal: 'micro-USD in total',
}

/** The error that a caller gets: which limit, whose, and whether waiting or asking for less helps. */
export function refused(whose: 'key' | 'tenant', { limits }: Payer, { limit, freesInMs }: Refusal): LoopgateError {
  const owner = whose === 'key' ? 'The API key' : 'The tenant'
  const said = `${owner} is limited to ${limits[whose][limit] ?? 0} ${WHAT[limit]} (${limit})`
  if (freesInMs !== null) return fault('LG_LIMIT_REACHED', { message: said, retryAfterMs: Math.max(1, freesInMs) })
  const asked = limit.startsWith('tokens') ? '; a lower max_completion_tokens asks for less' : ''
  return fault('LG_BUDGET_SPENT', { message: `${said}, and what is left does not do for this request${asked}` })
}
