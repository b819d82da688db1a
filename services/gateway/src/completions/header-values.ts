import type { IncomingHttpHeaders } from 'node:http'
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

/** The fault of a header that cannot be read. */
export function bad(header: string, expected: string): Error {
  return fault('LG_BAD_REQUEST', {
    message: `${header}: ${expected}`,
    param: header,
    issues: [{ path: header, expected }],
  })
}
