import { type Clock, createLogger, createRegistry, Secret } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { answerJson, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { createUpstream, type OrganisationSettings } from '../src/index.ts'
import { call } from './upstream-kit.ts'

const organisation = (name: string, ...keys: [string, ...string[]]): OrganisationSettings => ({
  name,
  keys: keys.map((key) => new Secret(key)) as [Secret, ...Secret[]],
  models: null,
})

async function setUp(t: Test, organisations: [OrganisationSettings, ...OrganisationSettings[]], refuse: string[]) {
  const clock: Clock & { advance: (ms: number) => void } = manualClock()
  const keyOf = ({ headers }: ScratchCall) => String(headers.authorization).slice('Bearer '.length)
  const server = await scratchUpstream(t, (each) => {
    const status = refuse.includes(keyOf(each)) ? 401 : refuse.includes(`${keyOf(each)} 402`) ? 402 : 200
    answerJson(each, status, { message: 'm', choices: [] })
  })
  const registry = createRegistry({ processMetrics: false })
  const upstream = createUpstream(
    { clock, logger: createLogger('test', 'silent'), registry },
    { url: server.url, organisations },
  )
  t.teardown(() => upstream.close())
  const called = async () => {
    const error = await call(upstream).over
    return { key: keyOf(await server.call(server.calls.length)), error }
  }
  return { clock, upstream, called, registry }
}

t.test('keys take turns, and so do organisations', async (t) => {
  const { called } = await setUp(t, [organisation('a', 'csk-a-1', 'csk-a-2'), organisation('b', 'csk-b-1')], [])
  const keys = []
  for (let at = 0; at < 6; at++) keys.push((await called()).key)
  t.strictSame(keys, ['csk-a-1', 'csk-b-1', 'csk-a-2', 'csk-b-1', 'csk-a-1', 'csk-b-1'])
})

t.test('a key that is refused is left alone for half a minute, then tried again', async (t) => {
  const refuse = ['csk-a-1']
  const { clock, called, registry } = await setUp(t, [organisation('a', 'csk-a-1', 'csk-a-2')], refuse)
  t.match(await called(), { key: 'csk-a-1', error: { kind: 'key_refused' } })
  for (let at = 0; at < 3; at++) t.match(await called(), { key: 'csk-a-2', error: null })
  refuse.length = 0
  clock.advance(30_000)
  t.strictSame([(await called()).key, (await called()).key].sort(), ['csk-a-1', 'csk-a-2'])
  const text = await registry.metrics()
  t.match(text, 'loopgate_upstream_ejections_total{upstream="cerebras",organisation="a"} 1')
  t.match(text, 'loopgate_upstream_answers_total{upstream="cerebras",organisation="a",result="key_refused"} 1')
  t.notMatch(text, /csk-/)
})

t.test('the last key is used whatever it is told', async (t) => {
  const { called, upstream } = await setUp(t, [organisation('a', 'csk-a-1', 'csk-a-2')], ['csk-a-1', 'csk-a-2'])
  const keys = []
  for (let at = 0; at < 8; at++) keys.push((await called()).key)
  t.strictSame(keys.slice(0, 2), ['csk-a-1', 'csk-a-2'])
  t.strictSame(new Set(keys.slice(2)), new Set(['csk-a-2']))
  t.equal(upstream.usable('a'), true)
})

t.test('an organisation that has to pay is left alone while another is there', async (t) => {
  const refuse = ['csk-a-1 402']
  const { clock, called, upstream } = await setUp(
    t,
    [organisation('a', 'csk-a-1'), organisation('b', 'csk-b-1')],
    refuse,
  )
  t.match(await called(), { key: 'csk-a-1', error: { kind: 'unpaid', organisation: 'a' } })
  t.strictSame([upstream.usable('a'), upstream.usable('b')], [false, true])
  for (let at = 0; at < 3; at++) t.match(await called(), { key: 'csk-b-1', error: null })
  t.equal(upstream.exhausted(), false)
  clock.advance(60_000)
  t.equal(upstream.usable('a'), true)
})

t.test('where all have to pay, all may be called, and it is known that none has a chance', async (t) => {
  const { called, upstream } = await setUp(t, [organisation('a', 'csk-a-1')], ['csk-a-1 402'])
  t.match(await called(), { error: { kind: 'unpaid' } })
  t.strictSame([upstream.usable('a'), upstream.exhausted()], [true, true])
  t.match(await called(), { key: 'csk-a-1', error: { kind: 'unpaid' } })
})

t.test('an upstream where everything fails is not called but for probes', async (t) => {
  const clock = manualClock()
  const server = await scratchUpstream(t, (each) => answerJson(each, 500, {}))
  const registry = createRegistry({ processMetrics: false })
  const upstream = createUpstream(
    { clock, logger: createLogger('test', 'silent'), registry },
    { url: server.url, organisations: [organisation('a', 'csk-a-1')] },
  )
  t.teardown(() => upstream.close())
  for (let at = 0; at < 20; at++) t.match(await call(upstream).over, { kind: 'failing' })
  t.match(await call(upstream).over, { kind: 'breaker_open', code: 'LG_BREAKER_OPEN', retryAfterMs: 1000 })
  t.equal(server.calls.length, 20)
  t.equal(upstream.exhausted(), true)
  t.match(await registry.metrics(), 'loopgate_upstream_breaker_open{upstream="cerebras"} 1')
  clock.advance(1000)
  t.match(await call(upstream).over, { kind: 'failing' })
  t.match(await call(upstream).over, { kind: 'breaker_open' })
  t.equal(server.calls.length, 21)
})

t.test('a key that an error repeats is told to nobody, whatever it looks like', async (t) => {
  const server = await scratchUpstream(t, (each) =>
    answerJson(each, 400, {
      message: `${'x'.repeat(3990)} ${each.headers.authorization}`,
      code: each.headers.authorization,
    }),
  )
  const upstream = createUpstream(
    { clock: manualClock(), logger: createLogger('test', 'silent'), registry: createRegistry() },
    { url: server.url, organisations: [organisation('a', 'any-shape-of-key')] },
  )
  t.teardown(() => upstream.close())
  const error = await call(upstream).over
  t.notMatch(`${error?.message} ${error?.openaiCode} ${String(error?.cause)}`, /any-/)
  t.match(error?.openaiCode, /redacted/)
})
