import type { Clock } from '@loopgate/service-kit'
import {
  BAD_GATEWAY,
  PAYMENT_REQUIRED,
  QUEUE_EXCEEDED,
  requestQuotaExceeded,
  SERVER_ERROR,
  tokenQuotaExceeded,
  UNAVAILABLE,
  type ErrorReply,
} from '../http/errors.ts'
import { retryAfterHeaders, type HeaderList } from '../http/respond.ts'
import { rateLimitHeaders } from '../limits/headers.ts'
import { quotaOf } from '../limits/tiers.ts'
import type { Fault, FaultAnswer } from './spec.ts'

export type FaultReply = { readonly error: ErrorReply; readonly headers: HeaderList }

/** The answer that a fault stands for. A quota fault shows the bucket it names as empty, the others as full. */
export function faultReply(kind: FaultAnswer, fault: Fault, model: string, clock: Clock): FaultReply {
  return {
    error: errorOf(kind, fault),
    headers: [...quotaHeaders(kind, fault, model, clock), ...retryAfterHeaders(fault.retryAfterSeconds)],
  }
}

function errorOf(kind: FaultAnswer, { window }: Fault): ErrorReply {
  switch (kind) {
    case 'request_quota_exceeded':
      return requestQuotaExceeded(window)
    case 'token_quota_exceeded':
      return tokenQuotaExceeded(window)
    case 'queue_exceeded':
      return QUEUE_EXCEEDED
    case 'payment_required':
      return PAYMENT_REQUIRED
    case 'server_error':
      return SERVER_ERROR
    case 'bad_gateway':
      return BAD_GATEWAY
    case 'unavailable':
      return UNAVAILABLE
  }
}

function quotaHeaders(kind: FaultAnswer, fault: Fault, model: string, clock: Clock): HeaderList {
  if (kind !== 'request_quota_exceeded' && kind !== 'token_quota_exceeded') return []
  const empty = kind === 'request_quota_exceeded' ? 'requests' : 'tokens'
  const quota = quotaOf('developer', model)
  return rateLimitHeaders(
    quota,
    (metric, window) => (metric === empty && window === fault.window ? 0 : quota[metric][window]),
    clock.wallNow(),
  )
}
