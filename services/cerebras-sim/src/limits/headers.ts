import type { QuotaWindow } from '../http/errors.ts'
import type { HeaderList } from '../http/respond.ts'
import { WINDOW_MS, WINDOWS, type Quota } from './tiers.ts'

type Metric = 'requests' | 'tokens'
/** What is left of each limit, as the reply tells it. */
export type Remaining = (metric: Metric, window: QuotaWindow) => number

/** Seconds to the next full minute, hour or midnight UTC: the real `reset`, though buckets refill all the time. */
export function resetSeconds(window: QuotaWindow, wallMs: number): number {
  const lengthMs = WINDOW_MS[window]
  return (lengthMs - (wallMs % lengthMs)) / 1000
}

/** The grid `x-ratelimit-{limit,remaining,reset}-{requests,tokens}-{minute,hour,day}`. */
export function rateLimitHeaders(quota: Quota, remaining: Remaining, wallMs: number): HeaderList {
  const headers: string[] = []
  for (const window of WINDOWS) {
    const reset = String(resetSeconds(window, wallMs))
    for (const metric of ['requests', 'tokens'] as const) {
      headers.push(
        `x-ratelimit-limit-${metric}-${window}`,
        String(quota[metric][window]),
        `x-ratelimit-remaining-${metric}-${window}`,
        String(Math.max(0, Math.floor(remaining(metric, window)))),
        `x-ratelimit-reset-${metric}-${window}`,
        reset,
      )
    }
  }
  return headers
}
