import type { ServerResponse } from 'node:http'
import type { ErrorReply } from './errors.ts'

/** Header names and values in turn, as writeHead takes them without a copy. */
export type HeaderList = readonly string[]

/** What the edge of the real API adds to every answer (recorded); clients must not choke on it or pass it on. */
const EDGE_HEADERS: HeaderList = [
  'server',
  'cloudflare',
  'cf-cache-status',
  'DYNAMIC',
  'set-cookie',
  '__cf_bm=simulated; path=/; HttpOnly; Secure',
  'x-content-type-options',
  'nosniff',
  'referrer-policy',
  'strict-origin-when-cross-origin',
]

/** The `cf-ray` of an answer, which the real API repeats as its request id, e.g. `98b053340ebefa25-ORD`. */
export const requestIdHeaders = (serial: number): HeaderList => {
  const ray = `${serial.toString(16).padStart(16, '0')}-SIM`
  return ['x-request-id', ray, 'cf-ray', ray]
}

export const retryAfterHeaders = (seconds: number | undefined): HeaderList =>
  seconds === undefined ? [] : ['retry-after', String(seconds)]

/** Writes a whole answer with one write. */
export function writeWhole(
  response: ServerResponse,
  status: number,
  contentType: string,
  headers: HeaderList,
  body: string,
): void {
  response.writeHead(status, [
    'content-type',
    contentType,
    'content-length',
    String(Buffer.byteLength(body)),
    ...EDGE_HEADERS,
    ...headers,
  ])
  response.end(body)
}

export function writeError(response: ServerResponse, error: ErrorReply, headers: HeaderList = []): void {
  writeWhole(response, error.status, error.contentType ?? 'application/json', headers, error.body)
}

/** Opens an event stream; its length is unknown, so it is chunked. */
export function writeStreamHead(response: ServerResponse, headers: HeaderList): void {
  response.writeHead(200, ['content-type', 'text/event-stream; charset=utf-8', ...EDGE_HEADERS, ...headers])
}
