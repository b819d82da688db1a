import type { Clock } from '@loopgate/service-kit'
import { requestQuotaExceeded, tokenQuotaExceeded, type ErrorReply, type QuotaWindow } from '../http/errors.ts'
import type { HeaderList } from '../http/respond.ts'
import { createBucket, type Bucket } from './bucket.ts'
import { rateLimitHeaders, resetSeconds } from './headers.ts'
import { TOTAL_FACTOR, WINDOW_MS, WINDOWS, type Quota } from './tiers.ts'

/** What a request is expected to use. */
type Estimate = {
  readonly promptTokens: number
  /** Part of the prompt that the prefix cache holds: counts against the total bucket only. */
  readonly cachedTokens: number
  readonly outputTokens: number
}

type Admission =
  | {
      readonly admitted: true
      readonly headers: HeaderList
      /** Gives the reservation back and debits the tokens really used. Call it exactly once. */
      readonly settle: (outputTokens: number) => void
    }
  | {
      readonly admitted: false
      readonly headers: HeaderList
      readonly error: ErrorReply
      readonly window: QuotaWindow
      readonly resetSeconds: number
    }

export type Limiter = { readonly admit: (organisation: string, model: string, estimate: Estimate) => Admission }

const UNLIMITED: Admission = { admitted: true, headers: [], settle: () => {} }

/**
 * The output part of the reservation when the request does not bound it, and the most that is ever
 * reserved for it (observed 2026-09, dcdpr/jp pull request 1085).
 */
export const RESERVED_OUTPUT_TOKENS = 16_384

/** Organisations remembered; beyond it the one met first is forgotten, so that keys cannot fill the memory. */
const MAX_ACCOUNTS = 10_000

type Account = {
  readonly quota: Quota
  readonly requests: Readonly<Record<QuotaWindow, Bucket>>
  readonly tokens: Readonly<Record<QuotaWindow, Bucket>>
  readonly totalTokens: Bucket
}

type Options = {
  /** The limits of an organisation for a model; null for none. */
  readonly quotaOf: (organisation: string, model: string) => Quota | null
  /** False keeps the whole reservation debited, as if nothing were ever given back. */
  readonly refund: boolean
}

/** Rate limits as Cerebras holds them: per organisation and model, refilled continuously, reserved by estimate. */
export function createLimiter({ clock }: { readonly clock: Clock }, { quotaOf, refund }: Options): Limiter {
  const accounts = new Map<string, Account>()

  const accountOf = (organisation: string, model: string): Account | null => {
    const key = `${organisation}\n${model}`
    const known = accounts.get(key)
    if (known !== undefined) return known
    const quota = quotaOf(organisation, model)
    if (quota === null) return null
    const made = openAccount(quota, clock.now())
    if (accounts.size >= MAX_ACCOUNTS) accounts.delete(accounts.keys().next().value ?? key)
    accounts.set(key, made)
    return made
  }

  return {
    admit: (organisation, model, estimate) => {
      const account = accountOf(organisation, model)
      if (account === null) return UNLIMITED
      const nowMs = clock.now()
      const wallMs = clock.wallNow()
      const headers = rateLimitHeaders(
        account.quota,
        (metric, window) => account[metric][window].available(nowMs),
        wallMs,
      )
      const reserved = amountsOf(estimate, estimate.outputTokens)

      const exceeded = findExceeded(account, reserved, nowMs)
      if (exceeded !== undefined) {
        const { window, error } = exceeded
        return { admitted: false, headers, error, window, resetSeconds: resetSeconds(window, wallMs) }
      }

      for (const window of WINDOWS) account.requests[window].settle(0, 1, nowMs)
      for (const [bucket, amount] of charges(account, reserved)) bucket.reserve(amount)
      return {
        admitted: true,
        headers,
        settle: (outputTokens) => {
          const used = refund ? amountsOf(estimate, outputTokens) : reserved
          const spent = charges(account, used)
          for (const [index, [bucket, amount]] of charges(account, reserved).entries()) {
            bucket.settle(amount, spent[index]?.[1] ?? amount, clock.now())
          }
        },
      }
    },
  }
}

function openAccount(quota: Quota, nowMs: number): Account {
  const row = (metric: 'requests' | 'tokens') => ({
    minute: createBucket(quota[metric].minute, WINDOW_MS.minute, nowMs),
    hour: createBucket(quota[metric].hour, WINDOW_MS.hour, nowMs),
    day: createBucket(quota[metric].day, WINDOW_MS.day, nowMs),
  })
  return {
    quota,
    requests: row('requests'),
    tokens: row('tokens'),
    totalTokens: createBucket(quota.tokens.minute * TOTAL_FACTOR, WINDOW_MS.minute, nowMs),
  }
}

type Amounts = { readonly uncached: number; readonly total: number }

const amountsOf = ({ promptTokens, cachedTokens }: Estimate, outputTokens: number): Amounts => ({
  uncached: promptTokens - cachedTokens + outputTokens,
  total: promptTokens + outputTokens,
})

/** Which bucket pays how much: the minute by uncached tokens, the rest by all of them. */
const charges = (account: Account, { uncached, total }: Amounts): Array<readonly [Bucket, number]> => [
  [account.tokens.minute, uncached],
  [account.totalTokens, total],
  [account.tokens.hour, total],
  [account.tokens.day, total],
]

function findExceeded(
  account: Account,
  { uncached, total }: Amounts,
  nowMs: number,
): { readonly window: QuotaWindow; readonly error: ErrorReply } | undefined {
  for (const window of WINDOWS) {
    if (!account.requests[window].fits(1, nowMs)) return { window, error: requestQuotaExceeded(window) }
  }
  if (!account.tokens.minute.fits(uncached, nowMs)) return { window: 'minute', error: tokenQuotaExceeded('minute') }
  if (!account.totalTokens.fits(total, nowMs)) {
    return { window: 'minute', error: tokenQuotaExceeded('minute', { total: true }) }
  }
  for (const window of ['hour', 'day'] as const) {
    if (!account.tokens[window].fits(total, nowMs)) return { window, error: tokenQuotaExceeded(window) }
  }
  return undefined
}
