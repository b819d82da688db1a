import type { IncomingHttpHeaders } from 'node:http'
import {
  CACHE_LENGTH_HEADER,
  CACHE_SCOPE_HEADER,
  CACHE_TTL_HEADER,
  type CacheDefaults,
  IDEMPOTENCY_HEADER,
  LOOP_HEADER,
  MODE_HEADER,
  OUTPUT_CAP_HEADER,
  type OutputCap,
  type Priority,
  PRIORITY_HEADER,
  prioritySchema,
  REPLAY_HEADER,
  RESUMABLE_HEADER,
  SAMPLE_HEADER,
} from '@loopgate/contracts'
import { FORWARDED_HEADERS, type ForwardedHeaders } from '@loopgate/cerebras'
import type { Delivery, Freshness, ResumePoint, Sharing } from '@loopgate/generations'
import { bad, choice, deadlineMs, wholeNumber } from '../header-values.ts'

/** What the headers of a completion request say. */
export type Wishes = {
  readonly sampleIndex: number | null
  readonly freshness: Freshness
  readonly sharing: Sharing
  readonly delivery: Delivery
  readonly order: Order
  /** The client's own time limit, if it tells. */
  readonly timeoutSeconds: number | null
  /** Fields that the upstream refuses are refused here instead of removed. */
  readonly strict: boolean
  readonly forwarded: ForwardedHeaders
}

/** How a request wants to be let through when there is not room for all. */
export type Order = {
  readonly loop: string | null
  readonly priority: Priority | null
  readonly deadlineMs: number | null
  readonly outputCap: OutputCap | null
}

const NO_WISH: Freshness = Object.freeze({ noStore: false, noCache: false, maxAgeSeconds: null })
const NO_STORE: Freshness = Object.freeze({ ...NO_WISH, noStore: true })
const AS_IT_COMES: Delivery = Object.freeze({ resumable: false, resume: null, eventsPerSecond: null })
const NO_HEADERS: ForwardedHeaders = Object.freeze({})
const NO_DEFAULTS: CacheDefaults = Object.freeze({})
const PRINTABLE = /^[\x20-\x7e]{1,512}$/

const MAX_SAMPLE = 999_999_999
const MAX_TTL_SECONDS = 366 * 86_400
/** Faster than any reader; beyond it a pace is none. */
const MAX_EVENTS_PER_SECOND = 100_000

/**
 * Reads the headers that steer a completion; the API key's defaults hold where they say nothing.
 * @throws LoopgateError LG_BAD_REQUEST that names the header and what it takes
 */
export function readWishes(headers: IncomingHttpHeaders, defaults: CacheDefaults = NO_DEFAULTS): Wishes {
  const sample = headers[SAMPLE_HEADER]
  const choose = sample === 'any' || sample === 'best' || sample === 'new' ? sample : null
  const sampleIndex = choose === null ? sampleNumber(sample) : null
  const sharing = sharingOf(headers, choose, defaults)
  const named = sample !== undefined || sharing.idempotencyKey !== null
  const wished = freshness(headers['cache-control'])
  if (wished.noStore && sharing.idempotencyKey !== null) {
    throw bad(IDEMPOTENCY_HEADER, 'not together with cache-control: no-store, which keeps nothing to give again')
  }
  return {
    sampleIndex,
    freshness: defaults.mode === 'off' && !named ? NO_STORE : wished,
    sharing,
    delivery: deliveryOf(headers),
    order: orderOf(headers),
    timeoutSeconds: timeout(headers['x-stainless-timeout']),
    strict: choice(headers, MODE_HEADER, ['strict']) !== null,
    forwarded: forwarded(headers),
  }
}

function sampleNumber(value: string | string[] | undefined): number | null {
  if (value === undefined) return null
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value)
  throw bad(SAMPLE_HEADER, `expected a whole number from 0 to ${MAX_SAMPLE}, any, best or new`)
}

function sharingOf(headers: IncomingHttpHeaders, choose: Sharing['choose'], defaults: CacheDefaults): Sharing {
  const scope = choice(headers, CACHE_SCOPE_HEADER, ['tenant', 'shared']) ?? defaults.scope ?? 'tenant'
  const ttl = wholeNumber(headers, CACHE_TTL_HEADER, 1, MAX_TTL_SECONDS, 'seconds') ?? defaults.ttlSeconds ?? null
  const keepsLength = choice(headers, CACHE_LENGTH_HEADER, ['store']) !== null
  return { choose, scope, ttlSeconds: ttl, keepsLength, idempotencyKey: idempotencyKey(headers[IDEMPOTENCY_HEADER]) }
}

function idempotencyKey(value: string | string[] | undefined): string | null {
  if (value === undefined) return null
  if (typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value)) return value
  throw bad(IDEMPOTENCY_HEADER, 'expected 1 to 255 printable characters without spaces')
}

function orderOf(headers: IncomingHttpHeaders): Order {
  return {
    loop: loopName(headers[LOOP_HEADER]),
    priority: choice(headers, PRIORITY_HEADER, prioritySchema.options),
    deadlineMs: deadlineMs(headers),
    outputCap: choice(headers, OUTPUT_CAP_HEADER, ['learnt', 'none']),
  }
}

function loopName(value: string | string[] | undefined): string | null {
  if (value === undefined) return null
  if (typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)) return value
  throw bad(LOOP_HEADER, 'expected 1 to 200 printable characters without spaces')
}

function deliveryOf(headers: IncomingHttpHeaders): Delivery {
  const resume = resumePoint(headers['last-event-id'])
  const resumable = choice(headers, RESUMABLE_HEADER, ['true']) !== null || resume !== null
  const eventsPerSecond = wholeNumber(headers, REPLAY_HEADER, 1, MAX_EVENTS_PER_SECOND, 'events per second')
  if (!resumable && eventsPerSecond === null) return AS_IT_COMES
  return { resumable, resume, eventsPerSecond }
}

function resumePoint(value: string | string[] | undefined): ResumePoint | null {
  if (value === undefined) return null
  const found = /^([0-9a-f]{64}):(\d{1,9})(?::([0-9a-f]{12}))?$/.exec(String(value))
  const [, key, after, mark = null] = found ?? []
  if (key === undefined) throw bad('last-event-id', 'expected an id of a resumable stream, <key>:<number>:<mark>')
  return { key, after: Number(after), mark }
}

/** Directives of RFC 9111, section 5.2.1; those that mean nothing here are ignored, as it says. */
function freshness(value: string | undefined): Freshness {
  if (value === undefined) return NO_WISH
  let { noStore, noCache, maxAgeSeconds }: { -readonly [K in keyof Freshness]: Freshness[K] } = { ...NO_WISH }
  for (const directive of value.toLowerCase().split(',')) {
    const [name = '', argument] = directive.trim().split('=', 2)
    if (name === 'no-store') noStore = true
    else if (name === 'no-cache') noCache = true
    else if (name === 'max-age') {
      if (!/^\d{1,9}$/.test(argument ?? '')) throw bad('cache-control', 'max-age expected a whole number of seconds')
      maxAgeSeconds = Number(argument)
    }
  }
  return { noStore, noCache, maxAgeSeconds }
}

/** Not ours, and only a hint: what is no number is none. */
function timeout(value: string | string[] | undefined): number | null {
  return typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : null
}

function forwarded(headers: IncomingHttpHeaders): ForwardedHeaders {
  let found: Record<string, string> | null = null
  for (const name of FORWARDED_HEADERS) {
    const value = headers[name]
    if (typeof value === 'string' && PRINTABLE.test(value)) (found ??= {})[name] = value
  }
  return found ?? NO_HEADERS
}
