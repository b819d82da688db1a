import type { IncomingHttpHeaders } from 'node:http'
import { MODE_HEADER, SAMPLE_HEADER } from '@loopgate/contracts'
import { FORWARDED_HEADERS, type ForwardedHeaders } from '@loopgate/cerebras'
import type { Freshness } from '@loopgate/generations'
import { fault } from '@loopgate/service-kit'

/** What the headers of a completion request say. */
export type Wishes = {
  readonly sampleIndex: number | null
  readonly freshness: Freshness
  /** Fields that the upstream refuses are refused here instead of removed. */
  readonly strict: boolean
  readonly forwarded: ForwardedHeaders
}

const NO_WISH: Freshness = Object.freeze({ noStore: false, noCache: false, maxAgeSeconds: null })
const NO_HEADERS: ForwardedHeaders = Object.freeze({})
const PRINTABLE = /^[\x20-\x7e]{1,512}$/

/**
 * Reads the headers that steer a completion.
 * @throws LoopgateError LG_BAD_REQUEST that names the header
 */
export function readWishes(headers: IncomingHttpHeaders): Wishes {
  return {
    sampleIndex: sampleIndex(headers[SAMPLE_HEADER]),
    freshness: freshness(headers['cache-control']),
    strict: strict(headers[MODE_HEADER]),
    forwarded: forwarded(headers),
  }
}

function sampleIndex(value: string | string[] | undefined): number | null {
  if (value === undefined) return null
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value)
  throw bad(SAMPLE_HEADER, 'expected a whole number from 0 to 999999999')
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

function strict(value: string | string[] | undefined): boolean {
  if (value === undefined) return false
  if (value === 'strict') return true
  throw bad(MODE_HEADER, 'expected strict')
}

function forwarded(headers: IncomingHttpHeaders): ForwardedHeaders {
  let found: Record<string, string> | null = null
  for (const name of FORWARDED_HEADERS) {
    const value = headers[name]
    if (typeof value === 'string' && PRINTABLE.test(value)) (found ??= {})[name] = value
  }
  return found ?? NO_HEADERS
}

function bad(header: string, expected: string): Error {
  return fault('LG_BAD_REQUEST', {
    message: `${header}: ${expected}`,
    param: header,
    issues: [{ path: header, expected }],
  })
}
