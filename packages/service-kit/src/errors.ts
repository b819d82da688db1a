/**
 * Every error that a client can meet, in one table. `docs/errors.md` is made from it.
 * `type` is the OpenAI error type of the code on `/v1`; `openaiCode` its `code` there.
 */
type ErrorRow = {
  readonly status: number
  readonly retryable: boolean
  readonly type: string
  readonly openaiCode: string
  readonly message: string
}

const row = (status: number, retryable: boolean, type: string, openaiCode: string, message: string): ErrorRow => ({
  status,
  retryable,
  type,
  openaiCode,
  message,
})

export const ERRORS = {
  LG_BAD_REQUEST: row(400, false, 'invalid_request_error', 'wrong_api_format', 'The request is not valid'),
  LG_BAD_JSON: row(400, false, 'invalid_request_error', 'wrong_api_format', 'The body is not valid JSON'),
  LG_FIELD_REFUSED: row(
    400,
    false,
    'invalid_request_error',
    'wrong_api_format',
    'The upstream does not support a field of the request',
  ),
  LG_NO_KEY: row(
    401,
    false,
    'invalid_request_error',
    'wrong_api_key',
    'No API key was sent: send authorization: Bearer <key>',
  ),
  LG_WRONG_KEY: row(401, false, 'invalid_request_error', 'wrong_api_key', 'Wrong API Key'),
  LG_FORBIDDEN: row(403, false, 'permission_error', 'forbidden', 'The API key lacks the scope for this'),
  LG_NOT_FOUND: row(404, false, 'not_found_error', 'not_found', 'There is nothing here'),
  LG_MODEL_NOT_FOUND: row(
    404,
    false,
    'not_found_error',
    'model_not_found',
    'The model does not exist or you do not have access to it.',
  ),
  LG_METHOD_NOT_ALLOWED: row(
    405,
    false,
    'invalid_request_error',
    'method_not_allowed',
    'The method is not supported here',
  ),
  LG_CONFLICT: row(409, false, 'invalid_request_error', 'conflict', 'The request conflicts with what is there'),
  LG_TOO_LARGE: row(
    413,
    false,
    'invalid_request_error',
    'request_too_large',
    'The body is larger than the gateway takes',
  ),
  LG_MEDIA_TYPE: row(
    415,
    false,
    'invalid_request_error',
    'unsupported_media_type',
    'The body must be application/json without content-encoding',
  ),
  LG_RATE_LIMITED: row(
    429,
    true,
    'too_many_requests_error',
    'rate_limited',
    'The upstream has no capacity for this request now',
  ),
  LG_LIMIT_REACHED: row(
    429,
    true,
    'too_many_requests_error',
    'rate_limit_exceeded',
    'A limit of the API key or its tenant is reached',
  ),
  LG_BUDGET_SPENT: row(
    402,
    false,
    'insufficient_quota',
    'insufficient_quota',
    'A budget of the API key or its tenant is spent',
  ),
  LG_QUEUE_FULL: row(
    429,
    true,
    'too_many_requests_error',
    'queue_full',
    'Too many generations wait for the upstream; come again after the time in retry-after',
  ),
  LG_DEADLINE: row(
    429,
    true,
    'too_many_requests_error',
    'deadline_exceeded',
    'The upstream has no room for this request before its deadline; come again after the time in retry-after',
  ),
  LG_CLIENT_CLOSED: row(499, false, 'client_closed', 'client_closed', 'The client closed the connection'),
  LG_INTERNAL: row(500, true, 'server_error', 'internal_error', 'The gateway met an unexpected error'),
  LG_UPSTREAM_ERROR: row(502, true, 'server_error', 'upstream_error', 'The upstream answered with an error'),
  LG_UPSTREAM_UNREACHABLE: row(502, true, 'server_error', 'upstream_unreachable', 'The upstream could not be reached'),
  LG_UPSTREAM_TRUNCATED: row(
    502,
    true,
    'server_error',
    'upstream_truncated',
    'The upstream ended its reply before it was complete',
  ),
  LG_UPSTREAM_AUTH: row(
    502,
    false,
    'server_error',
    'upstream_auth',
    'The upstream refused the credentials of the gateway; its operator has to mend them',
  ),
  LG_REPLICA_LOST: row(
    502,
    true,
    'server_error',
    'replica_lost',
    'The gateway replica that read this generation was lost before its end',
  ),
  LG_STORE_UNAVAILABLE: row(
    503,
    true,
    'server_error',
    'store_unavailable',
    'Redis is not reachable; loops and their events need it',
  ),
  LG_BREAKER_OPEN: row(
    503,
    true,
    'server_error',
    'upstream_failing',
    'The upstream has failed too often lately and is not called until it answers again',
  ),
  LG_NO_RUNNER: row(503, true, 'server_error', 'no_runner', 'No attached runner can take the execution'),
  LG_ISOLATION_UNAVAILABLE: row(
    503,
    true,
    'server_error',
    'isolation_unavailable',
    'No attached runner offers the isolation asked for',
  ),
  LG_RUNNER_LOST: row(
    503,
    true,
    'server_error',
    'runner_lost',
    'The runner was lost during the execution, and no other could finish it',
  ),
  LG_EXECUTION_QUEUE_FULL: row(
    503,
    true,
    'server_error',
    'execution_queue_full',
    'Too many executions wait for a slot',
  ),
  LG_EXECUTION_QUEUE_TIMEOUT: row(
    503,
    true,
    'server_error',
    'execution_queue_timeout',
    'No runner had a free slot in time',
  ),
  LG_OVERLOADED: row(
    503,
    true,
    'server_error',
    'overloaded',
    'The gateway has more work than it can do; other replicas may have less',
  ),
  LG_DRAINING: row(503, true, 'server_error', 'draining', 'The gateway is shutting down'),
  LG_UPSTREAM_TIMEOUT: row(504, true, 'server_error', 'upstream_timeout', 'The upstream did not answer in time'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export type FaultOptions = {
  /** Replaces the message of the table; must be fit for the client's eyes when status < 500. */
  readonly message?: string
  /** The field at fault, as a dotted path. */
  readonly param?: string
  readonly cause?: unknown
  readonly retryAfterMs?: number
  /** Status to answer with instead of the table's, for upstream errors passed on. */
  readonly status?: number
  readonly type?: string
  readonly openaiCode?: string | null
  /** False for one of a kind that may pass, but this one will not. */
  readonly retryable?: boolean
  /** Each field of a refused body and what was expected of it. */
  readonly issues?: ReadonlyArray<{ path: string; expected: string }>
}

/** An error with a code of the table. */
export class LoopgateError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  readonly retryable: boolean
  readonly type: string
  readonly openaiCode: string | null
  readonly param: string | null
  readonly retryAfterMs: number | null
  readonly issues: ReadonlyArray<{ path: string; expected: string }>

  constructor(code: ErrorCode, options: FaultOptions = {}) {
    const entry = ERRORS[code]
    super(options.message ?? entry.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LoopgateError'
    this.code = code
    this.statusCode = options.status ?? entry.status
    this.retryable = options.retryable ?? entry.retryable
    this.type = options.type ?? entry.type
    this.openaiCode = options.openaiCode === undefined ? entry.openaiCode : options.openaiCode
    this.param = options.param ?? null
    this.retryAfterMs = options.retryAfterMs ?? null
    this.issues = options.issues ?? []
  }
}

/**
 * Makes an error of the table; `throw fault('LG_NOT_FOUND')`. What is refused by rule has no stack: nobody
 * looks for its cause in the code, and taking it would be a fifth of what a refusal costs.
 */
export function fault(code: ErrorCode, options: FaultOptions = {}): LoopgateError {
  const byRule = ERRORS[code].status < 500 || code === 'LG_OVERLOADED'
  if (!byRule) return new LoopgateError(code, options)
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return new LoopgateError(code, options)
  } finally {
    Error.stackTraceLimit = limit
  }
}
