import type { Secret } from '@loopgate/service-kit'
import { conceal } from '../faults/concealed.ts'
import type { ReplyHeaders } from '../faults/retry-hint.ts'

/**
 * Request headers of a client that reach the upstream; all others are ours. Sources: Cerebras docs,
 * service tiers (`queue_threshold`); W3C trace context.
 */
export const FORWARDED_HEADERS = ['queue_threshold', 'traceparent', 'tracestate'] as const
export type ForwardedHeaders = Partial<Record<(typeof FORWARDED_HEADERS)[number], string>>

/** Reply headers of the upstream that reach a client, besides those that begin with the prefix. */
const RETURNED = new Set(['inference-id'])
const RETURNED_PREFIX = 'x-ratelimit-'

/** Which API an upstream speaks: the one of Cerebras, or only what it has in common with all that follow OpenAI. */
export type Dialect = 'cerebras' | 'openai'

/** The headers of every call, as name and value in turn. Version 2 of the API is pinned (Cerebras docs, versions). */
export function headersOf(dialect: Dialect, key: Secret): readonly string[] {
  conceal(key)
  return [
    'authorization',
    `Bearer ${key.reveal()}`,
    'content-type',
    'application/json',
    ...(dialect === 'cerebras' ? ['x-cerebras-version-patch', '2'] : []),
    'user-agent',
    'loopgate/0.1',
    // No compression: it would delay a stream, and an inflated reply has no bound.
    'accept-encoding',
    'identity',
  ]
}

/** What of the upstream's headers a client may see. */
export function returnedHeaders(headers: ReplyHeaders): Record<string, string> {
  const returned: Record<string, string> = {}
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    if (typeof value === 'string' && (name.startsWith(RETURNED_PREFIX) || RETURNED.has(name))) returned[name] = value
  }
  return returned
}
