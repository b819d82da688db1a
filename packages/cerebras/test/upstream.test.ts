import { createLogger, createRegistry, Secret, systemClock } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { answerJson, beginStream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { createUpstream } from '../src/index.ts'
import { call, KEY, setUp, turn } from './upstream-kit.ts'

t.test('a reply arrives byte for byte, with only the headers that a client may see', async (t) => {
  const { upstream, server } = await setUp(t, (call) =>
    answerJson(
      call,
      200,
      { é: '🚀' },
      { 'x-ratelimit-remaining-tokens-minute': '5', 'set-cookie': 'a=b', server: 'x' },
    ),
  )
  const reply = call(upstream, '{"model":"m"}', { traceparent: '00-1-2-01', authorization: 'Bearer stolen' })
  t.equal(await reply.over, null)
  t.equal(reply.text(), '{"é":"🚀"}')
  t.strictSame(reply.heard.head, {
    status: 200,
    kind: 'document',
    headers: { 'x-ratelimit-remaining-tokens-minute': '5' },
    rate: { requests: {}, tokens: { minute: { limit: null, remaining: 5, resetMs: null } } },
  })
  const [sent] = server.calls
  t.equal(sent?.text, '{"model":"m"}')
  t.match(sent?.headers, {
    authorization: `Bearer ${KEY}`,
    'content-type': 'application/json',
    'x-cerebras-version-patch': '2',
    'accept-encoding': 'identity',
    traceparent: '00-1-2-01',
  })
})

t.test('a prefix in the configured URL is kept', async (t) => {
  const { server } = await setUp(t, (call) => answerJson(call, 200, {}))
  const deps = { clock: systemClock, logger: createLogger('test', 'silent'), registry: createRegistry() }
  const upstream = createUpstream(deps, {
    url: `${server.url}/cerebras/`,
    organisations: [{ name: 'default', keys: [new Secret(KEY)], models: null }],
  })
  t.teardown(() => upstream.close())
  await call(upstream).over
  t.equal(server.calls[0]?.path, '/cerebras/v1/chat/completions')
})

t.test('an error reply becomes a fault, and its connection serves the next call', async (t) => {
  const { upstream, server } = await setUp(t, (call) =>
    answerJson(call, 429, { message: 'slow', code: 'queue_exceeded' }),
  )
  for (const _ of [1, 2]) {
    t.match(await call(upstream).over, { code: 'LG_RATE_LIMITED', retryAfterMs: 500 })
    await turn()
  }
  const ports = server.calls.map(({ response }) => response.req.socket.remotePort)
  t.equal(new Set(ports).size, 1)
})

t.test('an endless error body is cut off', async (t) => {
  const { upstream, server } = await setUp(t, ({ response }) => {
    response.writeHead(500)
    for (let piece = 0; piece < 20; piece++) response.write('x'.repeat(8192))
  })
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_ERROR' })
  await server.calls[0]?.abandoned
})

t.test('a compressed reply that nobody asked for is refused', async (t) => {
  const { upstream } = await setUp(t, (call) => answerJson(call, 200, {}, { 'content-encoding': 'gzip' }))
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_ERROR' })
})

t.test('a reused socket that is reset before any byte is tried once more, at once', async (t) => {
  const { upstream, server } = await setUp(t, (call) => {
    if (call.serial === 2) call.response.req.socket.resetAndDestroy()
    else answerJson(call, 200, { serial: call.serial })
  })
  await call(upstream).over
  await turn()
  const second = call(upstream, '{"again":true}')
  t.equal(await second.over, null)
  t.equal(second.text(), '{"serial":3}')
  t.equal(second.handle.attempts, 2)
  t.equal(server.calls[2]?.text, '{"again":true}')
})

t.test('it is not tried a third time', async (t) => {
  const { upstream, server } = await setUp(t, (call) => {
    if (call.serial > 2) call.response.req.socket.resetAndDestroy()
    else answerJson(call, 200, {})
  })
  await Promise.all([call(upstream).over, call(upstream).over])
  await turn()
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_UNREACHABLE' })
  t.equal(server.calls.length, 4)
})

t.test('a fresh socket that is reset is not tried again: the request may have been taken', async (t) => {
  const { upstream, server } = await setUp(t, ({ response }) => response.req.socket.resetAndDestroy())
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_UNREACHABLE', statusCode: 502 })
  t.equal(server.calls.length, 1)
})

t.test('a reset after the first byte is a cut reply and is never tried again', async (t) => {
  const { upstream, server } = await setUp(t, (call) => {
    if (call.serial === 1) return answerJson(call, 200, {})
    beginStream(call).write('data: 1\n\n', () => call.response.req.socket.resetAndDestroy())
  })
  await call(upstream).over
  await turn()
  const cut = call(upstream)
  t.match(await cut.over, { code: 'LG_UPSTREAM_TRUNCATED' })
  t.equal(server.calls.length, 2)
})

t.test('a port where nobody listens is unreachable', async (t) => {
  const { upstream } = await setUp(t, () => {}, { url: 'http://127.0.0.1:1' })
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_UNREACHABLE' })
})

t.test('what is not HTTP is an error of the upstream', async (t) => {
  const { upstream } = await setUp(t, ({ response }) => response.req.socket.end('SSH-2.0-OpenSSH\r\n'))
  t.match(await call(upstream).over, { code: 'LG_UPSTREAM_ERROR' })
})

t.test('giving up a call closes its connection, and the receiver hears nothing more', async (t) => {
  const { upstream, server, registry } = await setUp(t, (call) => beginStream(call).write('data: 1\n\n'))
  const given = call(upstream)
  await given.first
  void given.over.then(() => t.fail('was told'))
  given.handle.abort()
  await (
    await server.call(1)
  ).abandoned
  t.match(await registry.metrics(), /loopgate_upstream_requests_total\{model="other",status="aborted"\} 1/)
})

t.test('a call that is given up while it waits for a connection never reaches the upstream', async (t) => {
  const { upstream, server } = await setUp(t, (call) => beginStream(call).write('data: 1\n\n'), { connections: 1 })
  const first = call(upstream)
  await first.first
  const waiting = call(upstream, '{"waiting":true}')
  t.equal(waiting.handle.waitedMs, null)
  waiting.handle.abort()
  const third = call(upstream, '{"third":true}')
  ;(await server.call(1)).response.end()
  await third.first
  t.strictSame(
    server.calls.map(({ text }) => text),
    ['{"model":"m"}', '{"third":true}'],
  )
})

t.test('a model is a label only once the upstream has answered for it', async (t) => {
  const { upstream, registry } = await setUp(t, (call) => answerJson(call, call.serial === 1 ? 404 : 200, {}))
  await call(upstream).over
  await call(upstream).over
  const text = await registry.metrics()
  t.match(text, /loopgate_upstream_requests_total\{model="other",status="404"\} 1/)
  t.match(text, /loopgate_upstream_requests_total\{model="m",status="200"\} 1/)
})

t.test('models are asked for once a minute, by many callers at once, and outlive a failing upstream', async (t) => {
  const clock = manualClock()
  let up = true
  const list = { object: 'list', data: [{ id: 'gpt-oss-120b', object: 'model', created: 0, owned_by: 'Cerebras' }] }
  const { upstream, server, registry } = await setUp(t, (call) => answerJson(call, up ? 200 : 503, list), {}, clock)
  const lists = await Promise.all([upstream.models.list(), upstream.models.list()])
  t.strictSame(lists, [list, list])
  t.strictSame(await upstream.models.get('gpt-oss-120b'), list.data[0])
  await t.rejects(upstream.models.get('foo'), {
    code: 'LG_MODEL_NOT_FOUND',
    message: 'Model foo does not exist or you do not have access to it.',
    param: 'model',
  })
  t.equal(server.calls.length, 1)
  up = false
  clock.advance(60_001)
  t.strictSame(await upstream.models.list(), list)
  t.equal(server.calls.length, 2)
  clock.advance(3_600_001)
  await t.rejects(upstream.models.list(), { code: 'LG_UPSTREAM_ERROR' })
  t.notMatch(await registry.metrics(), /loopgate_upstream_requests_total\{/, 'a list of models is no generation')
})

t.test('the key of the provider is in no fault, whatever the upstream echoes', async (t) => {
  const { upstream } = await setUp(t, (call) => answerJson(call, 400, { message: `bad ${call.headers.authorization}` }))
  const error = await call(upstream).over
  t.match(error?.message, /redacted/)
  t.notMatch(`${error?.stack} ${String(error?.cause)} ${JSON.stringify(error)}`, KEY)
})
