import t from 'tap'
import { fromRecord, readFaultBody } from '../src/faults/body.ts'
import { faultOfChunk, faultOfReply } from '../src/faults/classify.ts'
import type { ReplyHeaders } from '../src/faults/retry-hint.ts'

const AT = Date.parse('2026-11-25T12:00:00Z')
const flat = (message: string, type: string, param: string, code: string) =>
  JSON.stringify({ message, type, param, code })

type Expected = {
  code: string
  statusCode: number
  message: string
  type: string
  openaiCode: string | null
  param: string | null
  retryAfterMs: number | null
}
const cases: ReadonlyArray<
  readonly [name: string, status: number, headers: ReplyHeaders, body: string, expected: Partial<Expected>]
> = [
  [
    'an unknown field keeps status, text and code',
    400,
    {},
    flat(
      "body.store: property 'body.store' is unsupported",
      'invalid_request_error',
      'validation_error',
      'wrong_api_format',
    ),
    {
      code: 'LG_BAD_REQUEST',
      statusCode: 400,
      message: "body.store: property 'body.store' is unsupported",
      param: 'validation_error',
      openaiCode: 'wrong_api_format',
    },
  ],
  [
    'a wrong key of the gateway is not shown as the wrong key of its client',
    401,
    {},
    flat('Wrong API Key', 'invalid_request_error', 'api_key', 'wrong_api_key'),
    { code: 'LG_UPSTREAM_AUTH', statusCode: 502, openaiCode: 'upstream_auth', param: null },
  ],
  [
    'FastAPI: not authenticated',
    403,
    {},
    '{"detail":"Not authenticated"}',
    { code: 'LG_UPSTREAM_AUTH', statusCode: 502 },
  ],
  [
    'payment required keeps a status that no client repeats',
    402,
    {},
    flat('Payment required to access this resource.', 'payment_required_error', 'quota', 'payment_required'),
    { code: 'LG_UPSTREAM_AUTH', statusCode: 402, openaiCode: 'payment_required' },
  ],
  [
    'an unknown model is worded as the upstream words it',
    404,
    {},
    flat('Model foo does not exist or you do not have access to it.', 'not_found_error', 'model', 'model_not_found'),
    {
      code: 'LG_MODEL_NOT_FOUND',
      statusCode: 404,
      message: 'Model foo does not exist or you do not have access to it.',
      type: 'not_found_error',
      param: 'model',
      openaiCode: 'model_not_found',
    },
  ],
  [
    'an unrouted path with an empty body is a fault of the wiring',
    404,
    {},
    '',
    { code: 'LG_UPSTREAM_ERROR', statusCode: 502 },
  ],
  [
    'requests per minute: the reset of the request bucket says when',
    429,
    { 'x-ratelimit-reset-requests-minute': '7.25', 'x-ratelimit-reset-tokens-minute': '50' },
    flat(
      'Requests per minute limit exceeded - too many requests sent.',
      'too_many_requests_error',
      'quota',
      'request_quota_exceeded',
    ),
    { code: 'LG_RATE_LIMITED', statusCode: 429, retryAfterMs: 7250, openaiCode: 'request_quota_exceeded' },
  ],
  [
    'tokens per minute: the reset of the token bucket says when',
    429,
    { 'x-ratelimit-reset-requests-minute': '7.25', 'x-ratelimit-reset-tokens-minute': '31.74' },
    flat(
      'Tokens per minute limit exceeded - too many tokens processed.',
      'too_many_tokens_error',
      'quota',
      'token_quota_exceeded',
    ),
    { retryAfterMs: 31_740, type: 'too_many_tokens_error', openaiCode: 'token_quota_exceeded' },
  ],
  [
    'tokens per day: the minute does not say when',
    429,
    { 'x-ratelimit-reset-tokens-minute': '31.74', 'x-ratelimit-reset-tokens-day': '10804.95' },
    flat(
      'Tokens per day limit exceeded - too many tokens processed.',
      'too_many_tokens_error',
      'quota',
      'token_quota_exceeded',
    ),
    { retryAfterMs: 10_804_950 },
  ],
  [
    'tokens per day without a header: nothing is promised',
    429,
    {},
    flat(
      'Tokens per day limit exceeded - too many tokens processed.',
      'too_many_tokens_error',
      'quota',
      'token_quota_exceeded',
    ),
    { retryAfterMs: null },
  ],
  [
    'high traffic: a short backoff',
    429,
    { 'x-ratelimit-reset-tokens-minute': '50' },
    flat(
      "We're experiencing high traffic right now! Please try again soon.",
      'too_many_requests_error',
      'queue',
      'queue_exceeded',
    ),
    { retryAfterMs: 500, openaiCode: 'queue_exceeded' },
  ],
  [
    'retry-after wins',
    429,
    { 'retry-after': '3', 'x-ratelimit-reset-tokens-minute': '50' },
    flat('x', 'y', 'quota', 'token_quota_exceeded'),
    { retryAfterMs: 3000 },
  ],
  [
    'retry-after-ms wins over retry-after',
    429,
    { 'retry-after': '3', 'retry-after-ms': '250' },
    '{}',
    { retryAfterMs: 250 },
  ],
  [
    'retry-after may be a date',
    503,
    { 'retry-after': 'Wed, 25 Nov 2026 12:00:09 GMT' },
    '',
    { statusCode: 503, retryAfterMs: 9000 },
  ],
  [
    'a nested 500 keeps the text of the upstream',
    500,
    {},
    '{"status_code":500,"error":{"message":"Encountered a server error, please try again.","type":"server_error","param":"","code":"","id":""}}',
    {
      code: 'LG_UPSTREAM_ERROR',
      statusCode: 502,
      message: 'Encountered a server error, please try again.',
      type: 'server_error',
      openaiCode: 'upstream_error',
      param: null,
    },
  ],
  [
    'HTML of an edge server is never passed on',
    522,
    {},
    '<html>origin down</html>',
    { code: 'LG_UPSTREAM_ERROR', statusCode: 502, message: 'The upstream answered with an error' },
  ],
  ['a redirect is an error', 302, { location: 'http://elsewhere' }, '', { code: 'LG_UPSTREAM_ERROR', statusCode: 502 }],
  ['a gateway timeout of the edge', 504, {}, '', { code: 'LG_UPSTREAM_TIMEOUT', statusCode: 504 }],
  [
    'images too large',
    413,
    {},
    flat('Total request size exceeds maximum', 'invalid_request_error', '', ''),
    { code: 'LG_TOO_LARGE', statusCode: 413, message: 'Total request size exceeds maximum' },
  ],
  [
    'FastAPI: a list of faults',
    422,
    {},
    '{"detail":[{"loc":["body","messages",0],"msg":"field required","type":"missing"}]}',
    { code: 'LG_BAD_REQUEST', statusCode: 422, message: 'body.messages.0: field required' },
  ],
]

for (const [name, status, headers, body, expected] of cases) {
  t.test(`${status}: ${name}`, async (t) => {
    t.match(faultOfReply(status, headers, body, AT), expected)
  })
}

t.test('an error in a stream gets the same code, text and type as the same error before it', async (t) => {
  const body = {
    status_code: 429,
    error: { message: 'slow down', type: 'too_many_requests_error', code: 'queue_exceeded' },
  }
  const before = faultOfReply(429, {}, JSON.stringify(body), AT)
  const inside = faultOfChunk(fromRecord(body))
  for (const member of ['code', 'statusCode', 'message', 'type', 'openaiCode'] as const) {
    t.equal(inside[member], before[member], member)
  }
  const { status_code: _, ...bare } = body
  t.equal(faultOfChunk(fromRecord(bare)).code, 'LG_RATE_LIMITED', 'by its code when no status is given')
})

t.test('a key of the provider and control characters never pass through a message', async (t) => {
  const { message } = readFaultBody(JSON.stringify({ message: 'bad key csk-abc_DEF-123\u001b[31m\r\nnext' }))
  t.equal(message, 'bad key [redacted] [31m \nnext')
  t.equal(readFaultBody(JSON.stringify({ message: 'x'.repeat(10_000) })).message?.length, 4000)
})
