import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { explainBadJson } from './bad-json.ts'
import { invalidJson, invalidRequest, TOO_LARGE, unsupportedMedia, type ErrorReply } from './errors.ts'

const unzip = promisify(gunzip)

export type Decoded = { readonly bytes: Buffer } | { readonly error: ErrorReply }

/**
 * The plain bytes of a request body. JSON is taken as it is or gzipped; msgpack, which the real API
 * takes too, is answered 415. A body that unpacks to more than `maxBytes` is refused unpacked.
 */
export async function decodeBody(
  body: Buffer,
  contentType: string | undefined,
  contentEncoding: string | undefined,
  maxBytes: number,
): Promise<Decoded> {
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? 'application/json'
  if (mediaType !== 'application/json') return { error: unsupportedMedia(`content type: ${mediaType}`) }
  if (contentEncoding === undefined || contentEncoding === 'identity') return { bytes: body }
  if (contentEncoding !== 'gzip') return { error: unsupportedMedia(`content encoding: ${contentEncoding}`) }
  try {
    return { bytes: await unzip(body, { maxOutputLength: maxBytes }) }
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    return { error: tooLarge ? TOO_LARGE : invalidRequest(['The body could not be decompressed']) }
  }
}

export type Parsed = { readonly value: unknown } | { readonly error: ErrorReply }

/**
 * Parses JSON as strictly as the real API: half a surrogate pair and bytes that are not UTF-8 are
 * refused, which JSON.parse lets through.
 */
export function parseJson(bytes: Buffer): Parsed {
  if (!isUtf8(bytes)) return { error: invalidJson('invalid unicode code point at line 1 column 1') }
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return { error: invalidJson(explainBadJson(bytes) ?? 'expected value at line 1 column 1') }
  }
  if (bytes.includes('\\ud') || bytes.includes('\\uD')) {
    const flaw = explainBadJson(bytes)
    if (flaw !== undefined) return { error: invalidJson(flaw) }
  }
  return { value }
}
