import { setTimeout as delay } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { ApiError, errorOfReply, one, type Headers } from './api-error.ts'
import type { ClientOptions } from './types.ts'

export type Call = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Whether sending it twice is harmless, so that a lost connection may be tried again. */
  readonly repeatable: boolean
}

export type Reply = { readonly status: number; readonly headers: Headers; readonly text: string }

export type Transport = {
  /** The whole reply of a call. @throws ApiError for a status of 400 or above, after the retries */
  readonly send: (call: Call) => Promise<Reply>
  /** A reply as it comes, from a pool of its own. Not retried. @throws ApiError */
  readonly open: (call: Call) => Promise<Dispatcher.ResponseData>
  /** Milliseconds to wait before try `attempt` (from 1), null if the error is final. */
  readonly retryDelayMs: (error: unknown, attempt: number) => number | null
  readonly close: () => Promise<void>
}

const DEFAULT_RETRIES = 2
const DEFAULT_MAX_RETRY_DELAY_MS = 30_000
const FIRST_RETRY_DELAY_MS = 200
/** Upstream 600 s at the gateway; an execution may queue for 120 s and run for 120 s. */
const DEFAULT_REPLY_TIMEOUT_MS = 630_000
/** A whole reply comes at once; an event stream carries a comment at least this often. */
const IDLE_TIMEOUT_MS = 60_000
const MAX_REPLY_BYTES = 64 * 1024 * 1024

/** HTTP to one gateway: authorisation, error bodies, retries at this one layer. */
export function createTransport(options: ClientOptions): Transport {
  const { origin, pathname } = new URL(options.baseUrl)
  const base = pathname.replace(/\/$/, '')
  const retries = options.retries ?? DEFAULT_RETRIES
  const maxDelayMs = options.maxRetryDelayMs ?? DEFAULT_MAX_RETRY_DELAY_MS
  const random = options.random ?? Math.random
  const shared = {
    headersTimeout: options.replyTimeoutMs ?? DEFAULT_REPLY_TIMEOUT_MS,
    bodyTimeout: IDLE_TIMEOUT_MS,
  }
  const own = options.dispatcher
    ? null
    : {
        calls: new Agent({ ...shared, connections: options.connections ?? 256, maxResponseSize: MAX_REPLY_BYTES }),
        // Long-lived, one socket each: in the other pool they would leave no connection for calls.
        streams: new Agent({ ...shared, connections: null }),
      }
  const calls = options.dispatcher ?? own?.calls
  const streams = options.dispatcher ?? own?.streams
  if (!calls || !streams) throw new Error('unreachable: a dispatcher is either given or made')

  const request = async (dispatcher: Dispatcher, call: Call): Promise<Dispatcher.ResponseData> => {
    call.signal?.throwIfAborted()
    try {
      return await dispatcher.request({
        origin,
        path: base + call.path,
        method: call.method,
        headers: {
          authorization: `Bearer ${options.apiKey}`,
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      })
    } catch (cause) {
      throw failure(call, cause)
    }
  }

  const attempt = async (call: Call): Promise<Reply> => {
    const { statusCode, headers, body } = await request(calls, call)
    let text: string
    try {
      text = await body.text()
    } catch (cause) {
      throw failure(call, cause)
    }
    if (statusCode >= 400) throw errorOfReply(statusCode, headers, text)
    return { status: statusCode, headers, text }
  }

  const retryDelayMs: Transport['retryDelayMs'] = (error, attempt) => {
    if (!(error instanceof ApiError) || !error.retryable) return null
    const jitterMs = random() * Math.min(FIRST_RETRY_DELAY_MS * 2 ** (attempt - 1), maxDelayMs)
    const delayMs = (error.retryAfterMs ?? 0) + jitterMs
    // Coming back sooner than told would only be refused again.
    return (error.retryAfterMs ?? 0) > maxDelayMs ? null : delayMs
  }

  return {
    send: async (call) => {
      for (let tried = 0; ; tried += 1) {
        try {
          return await attempt(call)
        } catch (error) {
          const waitMs = tried < retries ? retryDelayMs(error, tried + 1) : null
          if (waitMs === null) throw error
          await pause(waitMs, call.signal)
        }
      }
    },
    open: async (call) => {
      const reply = await request(streams, call)
      if (reply.statusCode < 400) return reply
      throw errorOfReply(reply.statusCode, reply.headers, await reply.body.text().catch(() => ''))
    },
    retryDelayMs,
    close: async () => {
      await Promise.all([own?.calls.destroy(), own?.streams.destroy()])
    },
  }
}

/** Waits, unless the signal is aborted, whose reason is then thrown. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** What to throw for a call that got no whole reply. */
export function failure(call: Pick<Call, 'signal' | 'repeatable' | 'method' | 'path'>, cause: unknown): unknown {
  if (call.signal?.aborted) return call.signal.reason
  const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause)
  return new ApiError({
    status: 0,
    code: 'unreachable',
    message: `${call.method} ${call.path}: the gateway gave no whole reply (${reason})`,
    retryable: call.repeatable,
    cause,
  })
}

/** Parses a reply as JSON. @throws ApiError with code `bad_reply` */
export function json<T>(reply: Reply, check: (value: unknown) => T): T {
  try {
    return check(JSON.parse(reply.text))
  } catch (cause) {
    throw new ApiError({
      status: reply.status,
      code: 'bad_reply',
      message: `the gateway answered ${reply.status} with something that is not what it promises`,
      retryable: false,
      requestId: one(reply.headers, 'x-request-id'),
      cause,
    })
  }
}
