/** An answer that is no completion: status, exact body and, where it is not JSON, its type. */
export type ErrorReply = {
  readonly status: number
  readonly body: string
  readonly contentType?: string
}

const flat = (status: number, message: string, type: string, param: string, code: string): ErrorReply => ({
  status,
  body: JSON.stringify({ message, type, param, code }),
})

/** 400 of the request validator; the problems stand in one message, a line each (recorded 2026-01..10). */
export const invalidRequest = (problems: readonly string[]): ErrorReply =>
  flat(400, problems.join('\n'), 'invalid_request_error', 'validation_error', 'wrong_api_format')

/** 400 of the JSON parser: `: Invalid JSON: <what> at line L column C` (recorded). */
export const invalidJson = (what: string): ErrorReply => invalidRequest([`: Invalid JSON: ${what}`])

/** 400 of the check of a JSON schema; several problems are joined in the same way. */
export const invalidResponseFormat = (problems: readonly string[]): ErrorReply =>
  flat(400, problems.join('\n'), 'invalid_request_error', 'response_format', 'wrong_api_format')

/** 400 for a prompt that does not fit; `param` as in a live reply quoted by elizaOS (2026). */
export const contextLengthExceeded = (currentTokens: number, limitTokens: number): ErrorReply =>
  flat(
    400,
    `Please reduce the length of the messages or completion. Current length is ${currentTokens} while limit is ${limitTokens}`,
    'invalid_request_error',
    'validation_error',
    'context_length_exceeded',
  )

/** 400 for an image the model cannot take; the texts are of the vendor's page on image inputs. */
export const invalidImage = (message: string): ErrorReply =>
  flat(400, message, 'invalid_request_error', 'messages', 'wrong_api_format')

export const WRONG_KEY = flat(401, 'Wrong API Key', 'invalid_request_error', 'api_key', 'wrong_api_key')

export const NOT_AUTHENTICATED: ErrorReply = { status: 403, body: '{"detail":"Not authenticated"}' }

export const WRONG_SCHEME: ErrorReply = { status: 403, body: '{"detail":"Invalid authentication credentials"}' }

export const modelNotFound = (model: string): ErrorReply =>
  flat(
    404,
    `Model ${model} does not exist or you do not have access to it.`,
    'not_found_error',
    'model',
    'model_not_found',
  )

export const PAYMENT_REQUIRED = flat(
  402,
  'Payment required to access this resource. Visit your billing tab.',
  'payment_required_error',
  'quota',
  'payment_required',
)

/** 413 for a body over the cap, sent or unpacked; text of the vendor's page on image inputs. */
export const TOO_LARGE = flat(
  413,
  'Total request size exceeds maximum',
  'invalid_request_error',
  'validation_error',
  'wrong_api_format',
)

/** 415: not documented by the vendor; the simulator decodes JSON, plain or gzip, and nothing else. */
export const unsupportedMedia = (what: string): ErrorReply =>
  flat(415, `Unsupported ${what}`, 'invalid_request_error', 'validation_error', 'wrong_api_format')

export type QuotaWindow = 'minute' | 'hour' | 'day'

export const requestQuotaExceeded = (window: QuotaWindow): ErrorReply =>
  flat(
    429,
    `Requests per ${window} limit exceeded - too many requests sent.`,
    'too_many_requests_error',
    'quota',
    'request_quota_exceeded',
  )

export const tokenQuotaExceeded = (window: QuotaWindow, { total = false } = {}): ErrorReply =>
  flat(
    429,
    `${total ? 'Total tokens' : 'Tokens'} per ${window} limit exceeded - too many tokens processed.`,
    'too_many_tokens_error',
    'quota',
    'token_quota_exceeded',
  )

export const QUEUE_EXCEEDED = flat(
  429,
  "We're experiencing high traffic right now! Please try again soon.",
  'too_many_requests_error',
  'queue',
  'queue_exceeded',
)

const nested = (status: number, message: string): ErrorReply => ({
  status,
  body: JSON.stringify({
    status_code: status,
    error: { message, type: 'server_error', param: '', code: '', id: '' },
  }),
})

const SERVER_ERROR_TEXT = 'Encountered a server error, please try again.'

export const SERVER_ERROR = nested(500, SERVER_ERROR_TEXT)

/** 503 is documented without a body; it is given the shape of the 500. */
export const UNAVAILABLE = nested(503, 'Service temporarily unavailable, please try again.')

/** What an edge in front of the API answers when it cannot reach it: not JSON. */
export const BAD_GATEWAY: ErrorReply = {
  status: 502,
  body: '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n',
  contentType: 'text/html',
}

/** The data of an error event in a stream that has already begun (OpenAPI 0.2.0, ErrorChunkResponse). */
export const ERROR_CHUNK = JSON.stringify({
  error: { message: SERVER_ERROR_TEXT, type: 'server_error', param: '', code: '', id: '' },
  status_code: 500,
})
