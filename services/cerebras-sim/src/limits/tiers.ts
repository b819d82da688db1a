import type { QuotaWindow } from '../http/errors.ts'

export type Tier = 'free' | 'developer'
export const WINDOWS: readonly QuotaWindow[] = ['minute', 'hour', 'day']
export const WINDOW_MS: Readonly<Record<QuotaWindow, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** How the real API writes a limit that there is none of (vendor's page on rate limits). */
const UNLIMITED = 1_000_000_000

type Windows = Readonly<Record<QuotaWindow, number>>
export type Quota = { readonly requests: Windows; readonly tokens: Windows }

/** The total bucket, which cached prompt tokens count against too, is this many times the other. */
export const TOTAL_FACTOR = 3

/** Free trial since 2026-07-16: 5 requests and 30 K tokens a minute; the grid was recorded so. */
const FREE: Quota = {
  requests: { minute: 5, hour: 150, day: 2400 },
  tokens: { minute: 30_000, hour: 1_000_000, day: 1_000_000 },
}

/** Pay as you go: a request limit, the same rate over hour and day (1,440,000 a day recorded), tokens by the minute. */
const developer = (requestsPerMinute: number, tokensPerMinute: number): Quota => ({
  requests: { minute: requestsPerMinute, hour: requestsPerMinute * 60, day: requestsPerMinute * 1440 },
  tokens: { minute: tokensPerMinute, hour: UNLIMITED, day: UNLIMITED },
})

const DEVELOPER: Readonly<Record<string, Quota>> = {
  'gpt-oss-120b': developer(1000, 1_000_000),
  'zai-glm-4.7': developer(500, 500_000),
  'gemma-4-31b': developer(300, 500_000),
}
/** No figures were published for the newest model; it gets those of the one of its size. */
const DEVELOPER_DEFAULT = developer(300, 500_000)

/** Limits of one organisation for one model: the vendor's table of 2026-07-18. */
export function quotaOf(tier: Tier, model: string): Quota {
  return tier === 'free' ? FREE : (DEVELOPER[model] ?? DEVELOPER_DEFAULT)
}

type Configured = {
  readonly limits: Tier | 'off'
  readonly quotas: Readonly<Record<string, Quota>>
}

/** Limits by organisation and model as configured; null where there are none. */
export function quotas({ limits, quotas: own }: Configured): (organisation: string, model: string) => Quota | null {
  return (organisation, model) => own[organisation] ?? (limits === 'off' ? null : quotaOf(limits, model))
}
