import { fault, LoopgateError, type ErrorCode } from '@loopgate/service-kit'

/** Fastify's own errors that mean something to a caller, by their code. */
const FASTIFY: Readonly<Record<string, { code: ErrorCode; message?: string }>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'LG_BAD_JSON', message: 'The body is empty; JSON was expected' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'LG_BAD_JSON' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'LG_MEDIA_TYPE' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'LG_TOO_LARGE' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'LG_BAD_REQUEST',
    message: 'The body has another length than content-length says',
  },
  FST_ERR_BAD_URL: { code: 'LG_BAD_REQUEST', message: 'The path is not valid percent-encoded UTF-8' },
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'LG_BAD_REQUEST',
  404: 'LG_NOT_FOUND',
  405: 'LG_METHOD_NOT_ALLOWED',
  413: 'LG_TOO_LARGE',
  415: 'LG_MEDIA_TYPE',
}

/** Any error as one of the table. What the table does not know is LG_INTERNAL, with its cause. */
export function toFault(error: unknown): LoopgateError {
  if (error instanceof LoopgateError) return error
  if (!(error instanceof Error)) return fault('LG_INTERNAL', { cause: error })
  if (isStackOverflow(error)) {
    return fault('LG_BAD_REQUEST', { message: 'The body is nested too deeply', cause: error })
  }
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  const known = typeof code === 'string' && Object.hasOwn(FASTIFY, code) ? FASTIFY[code] : undefined
  if (known !== undefined) {
    // Without the cause: its text quotes what the caller sent, and that may be a key in the wrong place.
    return fault(known.code, known.message === undefined ? {} : { message: known.message })
  }
  const byStatus = typeof statusCode === 'number' ? BY_STATUS[statusCode] : undefined
  return fault(byStatus ?? 'LG_INTERNAL', { cause: error })
}

/** Only a body of the caller's can be deep enough to exhaust the stack of a recursive walk. */
function isStackOverflow(error: Error): boolean {
  return error instanceof RangeError && error.message.startsWith('Maximum call stack')
}
