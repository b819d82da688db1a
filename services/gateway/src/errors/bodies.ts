import type { OpenAIErrorBody, Problem } from '@loopgate/contracts'
import { ERRORS, type LoopgateError } from '@loopgate/service-kit'

/** The body of an error on one of the two API surfaces, and its content type. */
export type ErrorShape = {
  readonly contentType: string
  readonly body: (fault: LoopgateError, requestId: string) => OpenAIErrorBody | Problem
}

/** What the caller may read: the detail of a fault of ours stays in the log. */
function publicMessage(fault: LoopgateError): string {
  return fault.statusCode >= 500 ? ERRORS[fault.code].message : fault.message
}

/** `/v1` and its twins: the members nested and at the top level, so that every client shows the text. */
export const openaiShape: ErrorShape = {
  contentType: 'application/json; charset=utf-8',
  body(fault) {
    const members = {
      message: publicMessage(fault),
      type: fault.type,
      param: fault.param,
      code: fault.openaiCode,
    }
    return { error: members, ...members }
  },
}

/** A fault as RFC 9457 tells it, alone or within a stream. */
export function problemOf(fault: LoopgateError, requestId: string): Problem {
  return {
    type: `urn:loopgate:error:${fault.code}`,
    title: ERRORS[fault.code].message,
    status: fault.statusCode,
    detail: publicMessage(fault),
    instance: requestId,
    code: fault.code,
    retryable: fault.retryable,
    ...(fault.issues.length > 0 && { errors: [...fault.issues] }),
  }
}

/** `/api`: RFC 9457. */
export const problemShape: ErrorShape = {
  contentType: 'application/problem+json; charset=utf-8',
  body: problemOf,
}

/** The shape for a path that no route claims: own API under `/api`, OpenAI's everywhere else. */
export function shapeOf(url: string): ErrorShape {
  return /^\/api(?:[/?]|$)/.test(url) ? problemShape : openaiShape
}
