import type { Currency } from './amounts.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

type Window = {
  readonly name: string
  readonly currency: Currency
  readonly windowMs: number
  /** Where replies tell of it. */
  readonly told: { readonly metric: 'requests' | 'tokens'; readonly window: 'minute' | 'hour' | 'day' } | null
}

/**
 * Every limit that an organisation may have for a model, and what it counts. The grid is that of the
 * provider's headers (`x-ratelimit-{limit,remaining}-{requests,tokens}-{minute,hour,day}`). Since
 * 2026-07-16 the minute has two token limits, one without and one with cached prompt tokens; the names
 * of the second one's headers are not known, so it comes from the configuration alone (Cerebras docs,
 * change log and rate limits, read 2026-11).
 */
export const WINDOWS = [
  {
    name: 'requestsPerMinute',
    currency: 'requests',
    windowMs: MINUTE_MS,
    told: { metric: 'requests', window: 'minute' },
  },
  { name: 'requestsPerHour', currency: 'requests', windowMs: HOUR_MS, told: { metric: 'requests', window: 'hour' } },
  { name: 'requestsPerDay', currency: 'requests', windowMs: DAY_MS, told: { metric: 'requests', window: 'day' } },
  { name: 'tokensPerMinute', currency: 'tokens', windowMs: MINUTE_MS, told: { metric: 'tokens', window: 'minute' } },
  { name: 'totalTokensPerMinute', currency: 'totalTokens', windowMs: MINUTE_MS, told: null },
  { name: 'tokensPerHour', currency: 'totalTokens', windowMs: HOUR_MS, told: { metric: 'tokens', window: 'hour' } },
  { name: 'tokensPerDay', currency: 'totalTokens', windowMs: DAY_MS, told: { metric: 'tokens', window: 'day' } },
] as const satisfies readonly Window[]

/** Names of all limits, as configured. */
export const LIMIT_WINDOWS = WINDOWS.map(({ name }) => name)

type WindowName = (typeof WINDOWS)[number]['name']

/** Limits by window; those that are not there are unknown, and hold nothing back. */
export type Limits = { readonly [Name in WindowName]?: number }
