import { type GatewayOptions, gateway } from '@loopgate/testkit/gateway'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { send } from '../kit/http.ts'
import { answer, refuse } from './kit.ts'

const MODEL = 'gpt-oss-120b'
const keyOf = ({ headers }: ScratchCall): string => String(headers.authorization).slice('Bearer '.length)

/** A gateway with these organisations before an upstream of the test's own. */
async function setUp(t: Test, reply: (call: ScratchCall) => unknown, organisations: Record<string, string[]>) {
  const upstream = await scratchUpstream(t, reply)
  const listed = Object.entries(organisations).map(([name, keys]) => ({ name, keys }))
  const options: GatewayOptions = {
    upstreamUrl: upstream.url,
    upstreamKey: '',
    redis: null,
    env: {
      LOOPGATE_ORGANISATIONS: JSON.stringify(listed),
      LOOPGATE_QUEUE_DEADLINE_MS: '5000',
      LOOPGATE_UPSTREAM_TRIES: '3',
    },
  }
  const gate = await gateway(t, options)
  const ask = (headers: Record<string, string> = {}) =>
    send(`${gate.url}/v1/chat/completions`, {
      key: gate.apiKey,
      headers,
      body: { model: MODEL, messages: [{ role: 'user', content: 'hi' }] },
    })
  return { upstream, gate, ask }
}

t.test(
  'an organisation that has to pay is passed over, by the call that finds out and by those after it',
  async (t) => {
    const reply = (call: ScratchCall) =>
      keyOf(call) === 'csk-a-1' ? refuse(call, 402, 'payment_required') : answer(call)
    const { upstream, ask } = await setUp(t, reply, { a: ['csk-a-1'], b: ['csk-b-1'] })
    for (let at = 0; at < 6; at++) t.equal((await ask()).status, 200)
    t.equal(upstream.calls.filter((call) => keyOf(call) === 'csk-a-1').length <= 1, true)
  },
)

t.test('a key that is refused is passed over for another of its organisation', async (t) => {
  const reply = (call: ScratchCall) => (keyOf(call) === 'csk-a-1' ? refuse(call, 401, 'wrong_api_key') : answer(call))
  const { upstream, ask } = await setUp(t, reply, { a: ['csk-a-1', 'csk-a-2'] })
  for (let at = 0; at < 5; at++) {
    const { status, headers } = await ask()
    t.equal(status, 200)
    t.equal(headers.get('x-loopgate-attempts'), at === 0 ? '2' : '1')
  }
  t.equal(upstream.calls.filter((call) => keyOf(call) === 'csk-a-1').length, 1)
})

t.test('the only key is refused: once a call, told as the operator’s affair', async (t) => {
  const { upstream, ask } = await setUp(t, (call) => refuse(call, 401), { a: ['csk-a-1'] })
  t.match(await ask(), { status: 502 })
  t.equal(upstream.calls.length, 1)
})

t.test('the only organisation has to pay: the status says so', async (t) => {
  const { upstream, ask } = await setUp(t, (call) => refuse(call, 402, 'payment_required'), { a: ['csk-a-1'] })
  t.match(await ask(), { status: 402 })
  t.equal(upstream.calls.length, 1)
})

t.test('an empty bucket of one organisation sends the call to the other', async (t) => {
  const reply = (call: ScratchCall) =>
    keyOf(call) === 'csk-a-1' ? refuse(call, 429, 'token_quota_exceeded', { 'retry-after': '30' }) : answer(call)
  const { upstream, ask } = await setUp(t, reply, { a: ['csk-a-1'], b: ['csk-b-1'] })
  for (let at = 0; at < 6; at++) t.equal((await ask()).status, 200)
  t.ok(upstream.calls.filter((call) => keyOf(call) === 'csk-a-1').length <= 1, 'the pause holds for all')
})

t.test('congestion is everybody’s: no other organisation is asked before the pause is over', async (t) => {
  const reply = (call: ScratchCall) => refuse(call, 429, 'queue_exceeded', { 'retry-after': '600' })
  const { upstream, ask } = await setUp(t, reply, { a: ['csk-a-1'], b: ['csk-b-1'] })
  const { status, headers } = await ask()
  t.equal(status, 429)
  t.ok(Number(headers.get('retry-after')) >= 500)
  t.match(await ask(), { status: 429 })
  t.equal(upstream.calls.length, 1)
})

for (const [name, failing] of [
  ['a 500', (call: ScratchCall) => refuse(call, 500)],
  ['a 503', (call: ScratchCall) => refuse(call, 503)],
  ['a reset before the first byte', ({ response }: ScratchCall) => response.req.socket.resetAndDestroy()],
] as const) {
  t.test(`${name} is made good by another try`, async (t) => {
    const reply = (call: ScratchCall) => (call.serial === 1 ? failing(call) : answer(call))
    const { upstream, ask } = await setUp(t, reply, { a: ['csk-a-1'] })
    t.match(await ask(), { status: 200 })
    t.equal(upstream.calls.length, 2)
  })
}

t.test('a request that is at fault itself is made once', async (t) => {
  for (const status of [400, 404, 413, 422]) {
    const { upstream, ask } = await setUp(t, (call) => refuse(call, status, 'model_not_found'), { a: ['csk-a-1'] })
    t.equal((await ask()).status, status)
    t.equal(upstream.calls.length, 1)
  }
})

t.test('nothing is tried again once a byte of the answer has come', async (t) => {
  const reply = ({ response }: ScratchCall) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', () => response.destroy())
  }
  const { upstream, gate } = await setUp(t, reply, { a: ['csk-a-1'] })
  const { text } = await send(`${gate.url}/v1/chat/completions`, {
    key: gate.apiKey,
    body: { model: MODEL, messages: [{ role: 'user', content: 'hi' }], stream: true },
  })
  t.match(text, /upstream_truncated/)
  t.notMatch(text, /\[DONE\]/)
  t.equal(upstream.calls.length, 1)
})

t.test(
  'while half of all calls fail, two hundred at once cost a fifth more, and what the floor grants the last few',
  async (t) => {
    const reply = (call: ScratchCall) => (call.serial % 2 === 0 ? refuse(call, 500) : answer(call))
    const { upstream, ask, gate } = await setUp(t, reply, { a: ['csk-a-1'] })
    const statuses = (await Promise.all(Array.from({ length: 200 }, () => ask()))).map(({ status }) => status)
    const served = statuses.filter((status) => status === 200).length
    t.ok(upstream.calls.length <= 250, `${upstream.calls.length} calls for 200`)
    t.ok(upstream.calls.length > 200, 'some were made again')
    t.ok(served > 100, `${served} served`)
    t.equal(statuses.filter((status) => status !== 200 && status !== 502).length, 0)
    const metrics = await (await fetch(`${gate.url}/metrics`)).text()
    t.match(metrics, /loopgate_generation_retries_total\{organisation="a",reason="failing"\} \d+/)
  },
)

t.test('the real limits of a simulated account are learnt from its replies', async (t) => {
  const sim = await cerebrasSim(t, { limits: 'developer' })
  const gate = await gateway(t, { upstreamUrl: sim.url, redis: null })
  const body = { model: MODEL, messages: [{ role: 'user', content: 'hi' }], max_completion_tokens: 10 }
  t.match(await send(`${gate.url}/v1/chat/completions`, { key: gate.apiKey, body }), { status: 200 })
  const metrics = await (await fetch(`${gate.url}/metrics`)).text()
  t.match(metrics, /organisation="default",model="gpt-oss-120b"/)
})
