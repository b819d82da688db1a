import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { send } from '../kit/http.ts'
import { answer, refuse } from './kit.ts'

const MODEL = 'gpt-oss-120b'
const THEIRS = 'openai/gpt-oss-120b'
const FIRST_KEY = 'csk-canary-of-the-first'
const SECOND_KEY = 'gsk-canary-of-the-second'
const ASKED = { model: MODEL, messages: [{ role: 'user', content: 'hi' }] }

/** A gateway with a first upstream and one that stands in for it. */
async function setUp(
  t: Test,
  first: (call: ScratchCall) => unknown,
  second: (call: ScratchCall) => unknown = (call) => answer(call, 'of the second'),
) {
  const upstream = await scratchUpstream(t, first)
  const other = await scratchUpstream(t, second)
  const store = await redis(t)
  const gate = await gateway(t, {
    upstreamUrl: upstream.url,
    upstreamKey: FIRST_KEY,
    redis: store,
    env: {
      LOOPGATE_UPSTREAM_TRIES: '3',
      LOOPGATE_FALLBACKS: JSON.stringify([
        { name: 'second', url: other.url, key: SECOND_KEY, models: { [MODEL]: THEIRS } },
      ]),
    },
  })
  const ask = (body: object = ASKED, headers: Record<string, string> = {}) =>
    send(`${gate.url}/v1/chat/completions`, { key: gate.apiKey, headers, body })
  return { upstream, other, gate, ask }
}

t.test('who has no money left at the first upstream is answered by the second, which is named', async (t) => {
  const { upstream, other, ask } = await setUp(t, (call) => refuse(call, 402, 'payment_required'))
  const { status, headers, text } = await ask({ ...ASKED, service_tier: 'auto', seed: 7 })
  t.equal(status, 200)
  t.equal(headers.get('x-loopgate-upstream'), 'second')
  t.match(text, /of the second/)
  const [call] = other.calls
  t.match(call?.body, { model: THEIRS, seed: 7, messages: ASKED.messages })
  t.notOk(call && 'service_tier' in call.body, 'fields that only Cerebras knows stay here')
  t.equal(call?.headers.authorization, `Bearer ${SECOND_KEY}`)
  t.notOk(call?.headers['x-cerebras-version-patch'])
  t.equal(upstream.calls[0]?.headers.authorization, `Bearer ${FIRST_KEY}`, 'each key goes to its own origin')
  await ask()
  t.equal(upstream.calls.length, 1, 'the first is left alone for a while')
  t.equal(other.calls.length, 2)
})

t.test('an answer of the second is never given as one of the first, and given again as its own', async (t) => {
  let paid = false
  const { upstream, other, ask } = await setUp(t, (call) =>
    paid ? answer(call, 'of the first') : refuse(call, 429, 'token_quota_exceeded', { 'retry-after': '2' }),
  )
  const body = { ...ASKED, seed: 1 }
  const soon = { 'x-loopgate-deadline-ms': '1500' }
  const one = await ask(body, soon)
  t.match([one.headers.get('x-loopgate-upstream'), one.headers.get('x-loopgate-cache')], ['second', 'miss'])
  const two = await ask(body, soon)
  t.match([two.headers.get('x-loopgate-upstream'), two.headers.get('x-loopgate-cache')], ['second', 'hit'])
  t.equal(two.headers.get('x-loopgate-key'), one.headers.get('x-loopgate-key'))
  t.equal(other.calls.length, 1)
  paid = true
  const three = await ask(body)
  t.match([three.headers.get('x-loopgate-upstream'), three.headers.get('x-loopgate-cache')], ['cerebras', 'miss'])
  t.match(three.text, /of the first/)
  t.not(three.headers.get('x-loopgate-key'), one.headers.get('x-loopgate-key'))
  const four = await ask(body)
  t.match([four.headers.get('x-loopgate-upstream'), four.headers.get('x-loopgate-cache')], ['cerebras', 'hit'])
  t.match(four.text, /of the first/)
  t.ok(upstream.calls.length >= 2)
})

t.test('a refused key and an upstream that fails and fails are reasons too', async (t) => {
  const refused = await setUp(t, (call) => refuse(call, 401))
  t.equal((await refused.ask()).headers.get('x-loopgate-upstream'), 'second')
  const failing = await setUp(t, (call) => refuse(call, 500))
  const replies = []
  for (let at = 0; at < 12; at++) replies.push(await failing.ask())
  t.ok(replies.every(({ status, headers }) => status === 200 && headers.get('x-loopgate-upstream') === 'second'))
  t.ok(failing.upstream.calls.length < 36, 'once its breaker is open the first is hardly asked')
})

t.test('a request that is at fault, and a model that the second does not have, go nowhere else', async (t) => {
  const { other, ask } = await setUp(t, (call) => refuse(call, String(call.body['model']) === MODEL ? 400 : 402))
  t.match(await ask(), { status: 400 })
  t.match(await ask({ ...ASKED, model: 'zai-glm-4.7' }), { status: 402 })
  t.equal(other.calls.length, 0)
})

t.test('where the second fails too the caller is told what the first said', async (t) => {
  const { ask, other } = await setUp(
    t,
    (call) => refuse(call, 402, 'payment_required'),
    (call) => refuse(call, 500),
  )
  const { status, json } = await ask()
  t.equal(status, 402)
  t.match(json, { error: { code: 'payment_required' } })
  t.equal(other.calls.length, 1)
})

t.test('callers who share a call share the answer of the second, streams among them, and all are told', async (t) => {
  const { other, ask } = await setUp(t, (call) => refuse(call, 402))
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, at) => ask({ ...ASKED, seed: 3, ...(at % 2 === 0 && { stream: true }) })),
  )
  for (const { status, headers, text } of replies) {
    t.equal(status, 200)
    t.equal(headers.get('x-loopgate-upstream'), 'second')
    t.match(text, /of the second/)
  }
  t.ok(other.calls.length <= 2, `${other.calls.length} calls`)
})

t.test('a caller that leaves while the second works ends its call there', async (t) => {
  const { other, gate } = await setUp(
    t,
    (call) => refuse(call, 402),
    () => {},
  )
  const gone = new AbortController()
  const { signal } = gone
  const asked = send(`${gate.url}/v1/chat/completions`, { key: gate.apiKey, body: ASKED, signal })
  const { abandoned } = await other.call(1)
  gone.abort()
  await t.rejects(asked)
  await abandoned
})

t.test('no caller can name an upstream, and no redirect is followed with a key', async (t) => {
  const elsewhere = await scratchUpstream(t, (call) => answer(call, 'stolen'))
  const { other, ask } = await setUp(
    t,
    (call) => refuse(call, 307, '', { location: `${elsewhere.url}/v1/chat/completions` }),
    (call) => refuse(call, 308, '', { location: `${elsewhere.url}/v1/chat/completions` }),
  )
  t.match(await ask(ASKED, { 'x-loopgate-upstream': 'second' }), { status: 502 })
  t.equal(other.calls.length, 1)
  t.equal(elsewhere.calls.length, 0)
})
