import type { ReplyHeaders } from '../faults/retry-hint.ts'

export type RateMetric = 'requests' | 'tokens'
export type RateWindow = 'minute' | 'hour' | 'day'

/** What one reply said of one bucket. Null is unknown, never nothing left. */
export type RateFact = {
  /** Infinity where the upstream says that there is no limit. */
  readonly limit: number | null
  /** A snapshot at the admission of the request: its own share is not taken off yet. */
  readonly remaining: number | null
  /** Until the window begins anew by the wall clock; the bucket itself refills all the time. */
  readonly resetMs: number | null
}

/** What one reply said of the buckets of its organisation and model; a bucket it was silent about is absent. */
export type RateFacts = Readonly<Record<RateMetric, Readonly<Partial<Record<RateWindow, RateFact>>>>>

/** How the upstream writes that there is no limit (Cerebras docs, rate limits). */
const UNLIMITED = 1_000_000_000

const WINDOWS = ['minute', 'hour', 'day'] as const
/** The names of the three headers of each bucket. Some upstreams leave the window out where it is the minute. */
const GRID = (['requests', 'tokens'] as const).flatMap((metric) =>
  WINDOWS.map((window) => ({ metric, window, names: namesOf(metric, window) })),
)

function namesOf(metric: RateMetric, window: RateWindow) {
  const each = (field: string): readonly string[] => {
    const bare = `x-ratelimit-${field}-${metric}`
    return window === 'minute' ? [`${bare}-minute`, bare] : [`${bare}-${window}`]
  }
  return { limit: each('limit'), remaining: each('remaining'), reset: each('reset') }
}

/**
 * Reads the rate headers of a reply: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}-{minute,hour,day}`
 * (Cerebras API reference, section "Rate limits"). Null if it carries none that can be read.
 */
export function readRateFacts(headers: ReplyHeaders): RateFacts | null {
  const facts: Record<RateMetric, Partial<Record<RateWindow, RateFact>>> = { requests: {}, tokens: {} }
  let found = false
  for (const { metric, window, names } of GRID) {
    const limit = count(first(headers, names.limit))
    const remaining = count(first(headers, names.remaining))
    const resetMs = durationMs(first(headers, names.reset))
    if (limit === null && remaining === null && resetMs === null) continue
    found = true
    facts[metric][window] = {
      limit: limit !== null && limit >= UNLIMITED ? Number.POSITIVE_INFINITY : limit,
      remaining,
      resetMs,
    }
  }
  return found ? facts : null
}

function first(headers: ReplyHeaders, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers[name]
    if (value !== undefined) return typeof value === 'string' ? value : value[0]
  }
  return undefined
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\s*\d{1,15}(\.\d*)?\s*$/.test(text) ? Number(text) : null
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Seconds as a plain number, or with units as in `12s`, `1m2.5s` and `250ms`; in ms. */
function durationMs(text: string | undefined): number | null {
  const seconds = count(text)
  if (text === undefined || seconds !== null) return seconds === null ? null : seconds * 1000
  if (!/^\s*(\d{1,15}(\.\d*)?(ms|[smhd]))+\s*$/.test(text)) return null
  let sum = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|[smhd])/g))
    sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  return sum
}
