import { cerebrasSim, type TestSimulator } from '@loopgate/testkit/sim'
import { answerJson, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { createLogger, createRegistry, fault, Secret, systemClock } from '@loopgate/service-kit'
import { createUpstream, type Remedy, remedyOf, UpstreamFault } from '../../src/index.ts'
import { call, setUp } from '../upstream-kit.ts'

const MODEL = 'gpt-oss-120b'
const BODY = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] })

type FaultSpec = Extract<Parameters<TestSimulator['faults']>[0], { kind: unknown }>

/** What the simulator does, and the row of the table that is expected for it. */
const rows: readonly (readonly [name: string, fault: FaultSpec, kind: string, expected: Partial<Remedy>])[] = [
  [
    'requests of a minute',
    { kind: 'request_quota_exceeded' },
    'requests_exhausted',
    { request: 'free', pauses: 'bucket', key: 'works', breaker: 'success', fallback: 'late', counted: false },
  ],
  ['tokens of a minute', { kind: 'token_quota_exceeded' }, 'tokens_exhausted', { request: 'free', pauses: 'bucket' }],
  ['tokens of an hour', { kind: 'token_quota_exceeded', window: 'hour' }, 'tokens_exhausted', { pauses: 'bucket' }],
  ['requests of a day', { kind: 'request_quota_exceeded', window: 'day' }, 'requests_exhausted', { request: 'free' }],
  [
    'congestion',
    { kind: 'queue_exceeded', retryAfterSeconds: 3 },
    'congested',
    { request: 'free', pauses: 'all', pauseMs: 3000, key: 'works', breaker: 'success' },
  ],
  [
    'an unpaid bill',
    { kind: 'payment_required' },
    'unpaid',
    { request: 'elsewhere', pauses: 'organisation', pauseMs: 60_000, breaker: 'neutral', fallback: 'left' },
  ],
  ['a 500', { kind: 'server_error' }, 'failing', { request: 'again', key: 'failed', breaker: 'failure' }],
  ['a 502 of the edge', { kind: 'bad_gateway' }, 'failing', { request: 'again', breaker: 'failure' }],
  ['a 503', { kind: 'unavailable' }, 'failing', { request: 'again', breaker: 'failure' }],
  [
    'a reset',
    { kind: 'reset' },
    'unreachable',
    { request: 'again', key: 'unknown', breaker: 'failure', counted: false },
  ],
]

for (const [name, spec, kind, expected] of rows) {
  t.test(`${name}: ${kind}`, async (t) => {
    const sim = await cerebrasSim(t)
    await sim.faults(spec)
    const upstream = createUpstream(
      {
        clock: systemClock,
        logger: createLogger('test', 'silent'),
        registry: createRegistry({ processMetrics: false }),
      },
      { url: sim.url, organisations: [{ name: 'a', keys: [new Secret(sim.apiKey)], models: null }] },
    )
    t.teardown(() => upstream.close())
    const error = await call(upstream, BODY).over
    t.ok(error instanceof UpstreamFault)
    if (!(error instanceof UpstreamFault)) return
    t.equal(error.kind, kind)
    t.match(remedyOf(error), expected)
    t.match(error, { upstream: 'cerebras', organisation: 'a' })
    if (spec.kind.endsWith('quota_exceeded')) {
      t.equal(error.window, spec.window ?? 'minute')
      const metric = spec.kind === 'request_quota_exceeded' ? 'requests' : 'tokens'
      t.equal(error.rate?.[metric][error.window ?? 'day']?.remaining, 0, 'the reply says which bucket is empty')
      t.ok(remedyOf(error).pauseMs > 0)
    }
  })
}

const statuses: readonly (readonly [status: number, body: object, kind: string, request: Remedy['request']])[] = [
  [307, {}, 'misrouted', 'give_up'],
  [400, { message: 'bad' }, 'refused', 'give_up'],
  [401, { message: 'Wrong API Key', code: 'wrong_api_key' }, 'key_refused', 'elsewhere'],
  [403, { detail: 'Not authenticated' }, 'forbidden', 'elsewhere'],
  [404, { code: 'model_not_found', message: 'no' }, 'refused', 'give_up'],
  [404, {}, 'misrouted', 'give_up'],
  [413, { message: 'large' }, 'refused', 'give_up'],
  [422, { message: 'Timed out while updating the structured output state machine' }, 'schema_timeout', 'again'],
  [422, { message: 'bad field' }, 'refused', 'give_up'],
]
t.test('statuses that the simulator does not give', async (t) => {
  for (const [status, body, kind, request] of statuses) {
    const { upstream, server } = await setUp(t, (call) => answerJson(call, status, body, { location: '/elsewhere' }))
    const error = await call(upstream).over
    t.match(error, { kind }, `${status}`)
    t.equal(error === null ? null : remedyOf(error).request, request)
    t.equal(server.calls.length, 1, 'a redirect is not followed')
  }
})

t.test('a call that is not answered, one that takes too long, and one that breaks off', async (t) => {
  const silent = await setUp(t, () => {}, { firstByteMs: 30 })
  t.match(await call(silent.upstream).over, { kind: 'silent' })
  const overlong = await setUp(t, () => {}, { totalMs: 30 })
  t.match(await call(overlong.upstream).over, { kind: 'overlong' })
  const cut = await setUp(t, ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{', () => response.destroy())
  })
  t.match(await call(cut.upstream).over, { kind: 'cut' })
})

t.test('nobody listens', async (t) => {
  const gone = await scratchUpstream(t, () => {})
  const url = gone.url.replace(/\d+$/, '9')
  const { upstream } = await setUp(t, () => {}, { url })
  t.match(await call(upstream).over, { kind: 'unreachable', organisation: 'default' })
})

t.test('what is no fault of an upstream is given up, and says nothing about keys', async (t) => {
  t.match(remedyOf(fault('LG_INTERNAL')), { request: 'give_up', key: 'unknown', breaker: 'neutral', pauseMs: 0 })
})
