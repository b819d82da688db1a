import t from 'tap'
import { ask, kit } from '../kit.ts'

const flat = (message: string, type: string, param: string, code: string) =>
  JSON.stringify({ message, type, param, code })
const tokens = (window: string) =>
  flat(
    `Tokens per ${window} limit exceeded - too many tokens processed.`,
    'too_many_tokens_error',
    'quota',
    'token_quota_exceeded',
  )
const nested = (status: number, message: string) =>
  JSON.stringify({ status_code: status, error: { message, type: 'server_error', param: '', code: '', id: '' } })

const CASES: ReadonlyArray<readonly [fault: string, status: number, body: string]> = [
  [
    'request_quota_exceeded',
    429,
    flat(
      'Requests per minute limit exceeded - too many requests sent.',
      'too_many_requests_error',
      'quota',
      'request_quota_exceeded',
    ),
  ],
  [
    'request_quota_exceeded;window=hour',
    429,
    flat(
      'Requests per hour limit exceeded - too many requests sent.',
      'too_many_requests_error',
      'quota',
      'request_quota_exceeded',
    ),
  ],
  ['token_quota_exceeded', 429, tokens('minute')],
  ['token_quota_exceeded;window=hour', 429, tokens('hour')],
  ['token_quota_exceeded;window=day', 429, tokens('day')],
  [
    'queue_exceeded',
    429,
    flat(
      "We're experiencing high traffic right now! Please try again soon.",
      'too_many_requests_error',
      'queue',
      'queue_exceeded',
    ),
  ],
  [
    'payment_required',
    402,
    flat(
      'Payment required to access this resource. Visit your billing tab.',
      'payment_required_error',
      'quota',
      'payment_required',
    ),
  ],
  ['server_error', 500, nested(500, 'Encountered a server error, please try again.')],
  ['unavailable', 503, nested(503, 'Service temporarily unavailable, please try again.')],
]

for (const [fault, status, body] of CASES) {
  t.test(`the fault ${fault} is answered with its exact body, streaming asked for or not`, async (t) => {
    const { chat } = kit(t)
    for (const stream of [true, false]) {
      const reply = await chat(ask('hi', { stream }), { 'x-sim-fault': fault })
      t.equal(reply.statusCode, status)
      t.equal(reply.body, body)
      t.equal(reply.headers['content-type'], 'application/json')
    }
  })
}

t.test('a bad gateway is HTML, as the edge sends it', async (t) => {
  const reply = await kit(t).chat(ask('hi'), { 'x-sim-fault': 'bad_gateway' })
  t.equal(reply.statusCode, 502)
  t.equal(reply.headers['content-type'], 'text/html')
  t.match(reply.body, /^<html>[\s\S]*502 Bad Gateway[\s\S]*<\/html>/)
})

t.test('a quota fault shows the bucket it names as empty and the others as full', async (t) => {
  const { headers } = await kit(t).chat(ask('hi'), { 'x-sim-fault': 'token_quota_exceeded;retryAfterSeconds=1.5' })
  t.match(headers, {
    'x-ratelimit-remaining-tokens-minute': '0',
    'x-ratelimit-remaining-tokens-day': '1000000000',
    'x-ratelimit-remaining-requests-minute': '1000',
    'x-ratelimit-reset-tokens-minute': '4.95',
    'retry-after': '1.5',
  })
})
