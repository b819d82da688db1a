import { atEndOfTurn, type LoopgateError } from '@loopgate/service-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorShape } from './bodies.ts'
import { toFault } from './to-fault.ts'
import { discardUnreadBody } from './unread-body.ts'

/** Advice for a 429 or 503 that knows no better. */
const DEFAULT_RETRY_AFTER_MS = 1_000

/**
 * What the OpenAI and Cerebras SDKs try again unless told otherwise (`shouldRetry` of openai 6.49.0
 * and @cerebras/cerebras_cloud_sdk 1.91.0).
 */
const triedAgain = (status: number): boolean => [408, 409, 429].includes(status) || status >= 500

/** Headers that an error carries whatever its body looks like. */
function faultHeaders(fault: LoopgateError): Record<string, string> {
  const headers: Record<string, string> = {}
  if (fault.statusCode === 401) headers['www-authenticate'] = 'Bearer'
  if (fault.statusCode === 429 || fault.statusCode === 503) {
    const ms = Math.max(1, Math.ceil(fault.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS))
    headers['retry-after'] = String(Math.ceil(ms / 1000))
    headers['retry-after-ms'] = String(ms)
  }
  if (!fault.retryable && triedAgain(fault.statusCode)) headers['x-should-retry'] = 'false'
  return headers
}

/** Answers a request with an error in the given shape, and logs it if it is the gateway's own. */
export function replyWithFault(error: unknown, shape: ErrorShape, request: FastifyRequest, reply: FastifyReply): void {
  const fault = toFault(error)
  const log = { err: fault, code: fault.code, route: request.routeOptions.url }
  if (fault.code === 'LG_INTERNAL') request.log.error(log, 'request failed')
  // Of an overload there is a metric: a line for each would be more work.
  else if (fault.statusCode >= 500 && fault.code !== 'LG_OVERLOADED') request.log.warn(log, 'request failed')
  else request.log.debug(log, 'request refused')

  // Fastify asks to close at once when a body is refused; the caller might then miss the answer.
  if (reply.hasHeader('connection')) reply.removeHeader('connection')
  // By then a small body has arrived whole, and there is nothing left of it to wait for.
  atEndOfTurn(() => {
    if (reply.sent) return
    discardUnreadBody(request.raw)
    void reply
      .code(fault.statusCode)
      .headers(faultHeaders(fault))
      .type(shape.contentType)
      .serializer(JSON.stringify)
      .send(shape.body(fault, request.id))
  })
}
