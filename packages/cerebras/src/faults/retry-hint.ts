import type { RateWindow } from '../rate/facts.ts'
import type { Hint } from './table.ts'

export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>

const DAY_MS = 86_400_000
/** Reset values below are clamped to this range (reference: "Retry-After: not documented"). */
const MIN_RESET_MS = 100
const MAX_MINUTE_MS = 60_000
/** Base of the backoff that `queue_exceeded` asks for; spreading it is the caller's part. */
const QUEUE_MS = 500

/** What a reply says about coming again. */
export type RetryHint = {
  /** When the same request may succeed, in ms; null if nothing is known. */
  readonly afterMs: number | null
  /** It was told to stay away for so long, rather than when a window begins anew. */
  readonly ordered: boolean
}

/**
 * How long to wait before the same request may succeed.
 * `retry-after-ms` and `retry-after` win; else the reset header of the bucket that the 429 names.
 * Resets are seconds with a fraction, for `minute`, `hour` and `day`; the text names the window.
 */
export function retryHint(headers: ReplyHeaders, hint: Hint, message: string | null, wallNow: number): RetryHint {
  const said = milliseconds(headers, wallNow)
  return said === null ? { afterMs: guessMs(headers, hint, message), ordered: false } : { afterMs: said, ordered: true }
}

function guessMs(headers: ReplyHeaders, hint: Hint, message: string | null): number | null {
  if (hint === 'none') return null
  if (hint === 'queue') return QUEUE_MS
  const window = windowOf(message)
  const resetSeconds = number(headers[`x-ratelimit-reset-${hint}-${window}`])
  if (resetSeconds === null) return window === 'minute' ? MAX_MINUTE_MS : null
  return clamp(resetSeconds * 1000, MIN_RESET_MS, window === 'minute' ? MAX_MINUTE_MS : DAY_MS)
}

/** The window that a 429 names; a minute where it names none, or a second. */
export function windowOf(message: string | null): RateWindow {
  const named = /per (hour|day)/i.exec(message ?? '')?.[1]?.toLowerCase()
  return named === 'hour' || named === 'day' ? named : 'minute'
}

function milliseconds(headers: ReplyHeaders, wallNow: number): number | null {
  const ms = number(headers['retry-after-ms'])
  if (ms !== null) return clamp(ms, 0, DAY_MS)
  const seconds = number(headers['retry-after'])
  if (seconds !== null) return clamp(seconds * 1000, 0, DAY_MS)
  const date = Date.parse(one(headers['retry-after']) ?? '')
  return Number.isNaN(date) ? null : clamp(date - wallNow, 0, DAY_MS)
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value)

function number(value: string | string[] | undefined): number | null {
  const text = one(value)
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : null
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max)
