import type { IncomingHttpHeaders } from 'node:http'
import { DEADLINE_HEADER } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'

/**
 * One of a few words, or null if the header is not there.
 * @throws LoopgateError LG_BAD_REQUEST
 */
export function choice<T extends string>(headers: IncomingHttpHeaders, name: string, words: readonly T[]): T | null {
  const value = headers[name]
  if (value === undefined) return null
  const found = words.find((word) => word === value)
  if (found === undefined) throw bad(name, `expected ${words.join(' or ')}`)
  return found
}

/**
 * A whole number within bounds, or null if the header is not there.
 * @throws LoopgateError LG_BAD_REQUEST
 */
export function wholeNumber(
  headers: IncomingHttpHeaders,
  name: string,
  min: number,
  max: number,
  unit: string,
): number | null {
  const value = headers[name]
  if (value === undefined) return null
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw bad(name, `expected a whole number of ${unit} from ${min} to ${max}`)
}

/** An hour: whoever would wait longer can come again. */
const MAX_DEADLINE_MS = 3_600_000

/**
 * How long the caller will wait for room, in ms, or null if it does not say.
 * @throws LoopgateError LG_BAD_REQUEST
 */
export function deadlineMs(headers: IncomingHttpHeaders): number | null {
  return wholeNumber(headers, DEADLINE_HEADER, 0, MAX_DEADLINE_MS, 'milliseconds')
}

/** The fault of a header that cannot be read. */
export function bad(header: string, expected: string): Error {
  return fault('LG_BAD_REQUEST', {
    message: `${header}: ${expected}`,
    param: header,
    issues: [{ path: header, expected }],
  })
}
