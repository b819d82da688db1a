import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { redis } from '@loopgate/testkit/redis'
import { gateway } from '@loopgate/testkit/gateway'
import t, { type Test } from 'tap'
import { door, metric, post, QUESTION } from '../completions/kit.ts'
import { send, until } from '../kit/http.ts'
import { answer, contentOf, dataOf, delta, document, DONE, event, finish, STREAM, TEXT, USAGE } from './kit.ts'

const SHARED = { ...QUESTION, temperature: 0 }
const PROMPT = { model: 'm', prompt: 'Say something.', temperature: 0 }

async function opened(t: Test, reply: (call: ScratchCall) => unknown = answer) {
  const upstream = await scratchUpstream(t, reply)
  return { upstream, gate: await door(t, upstream) }
}

const outcomeOf = async (gate: Parameters<typeof post>[0], body: unknown, headers = {}, path?: string) =>
  (await post(gate, body, headers, path)).headers.get('x-loopgate-cache')

t.test('bodies that differ only in max_tokens, logit_bias, seed or a field of tomorrow never share', async (t) => {
  const { gate, upstream } = await opened(t)
  const bodies = [
    SHARED,
    { ...SHARED, max_tokens: 5 },
    { ...SHARED, logit_bias: { 50256: -100 } },
    { ...SHARED, seed: 1 },
    { ...SHARED, field_of_tomorrow: true },
    { ...SHARED, field_of_tomorrow: { nested: [1] } },
  ]
  for (const body of bodies) t.equal(await outcomeOf(gate, body), 'miss')
  for (const body of bodies) t.equal(await outcomeOf(gate, body), 'hit')
  t.equal(upstream.calls.length, bodies.length)
})

for (const [surface, body] of [
  ['chat', SHARED],
  ['text', PROMPT],
] as const) {
  t.test(`${surface}: changing any one field gives another key`, async (t) => {
    const { gate } = await opened(t)
    const fields = {
      model: 'n',
      ...(surface === 'chat' ? { messages: [{ role: 'user', content: 'x' }] } : { prompt: 'x' }),
      temperature: 0.5,
      top_p: 0.5,
      seed: 1,
      max_tokens: 1,
      stop: ['x'],
      tools: [],
      tool_choice: 'none',
      response_format: { type: 'json_object' },
      reasoning_effort: 'low',
      logprobs: true,
      service_tier: 'flex',
      unheard_of: null,
    }
    const keys = new Set<unknown>()
    for (const [field, value] of Object.entries({ nothing: undefined, ...fields })) {
      const reply = await send(`${gate.url}/api/cache/explain`, {
        key: gate.apiKey,
        // The sample makes every one of them shareable.
        body: { surface, body: { ...body, [field]: value }, headers: { 'x-loopgate-sample': '0' } },
      })
      t.match(reply.json['key'], /^[0-9a-f]{64}$/, field)
      keys.add(reply.json['key'])
    }
    t.equal(keys.size, Object.keys(fields).length + 1)
  })
}

t.test('a temperature that is omitted, null, 0 or 1 has its own say, and so has tool_choice', async (t) => {
  const { gate } = await opened(t)
  const shares = async (body: object, headers = {}) => [
    await outcomeOf(gate, body, headers),
    await outcomeOf(gate, body, headers),
  ]
  t.strictSame(await shares(QUESTION), ['bypass', 'bypass'], 'omitted')
  t.strictSame(await shares({ ...QUESTION, temperature: null }), ['bypass', 'bypass'], 'null')
  t.strictSame(await shares({ ...QUESTION, temperature: 1 }), ['bypass', 'bypass'], '1')
  t.strictSame(await shares({ ...QUESTION, temperature: 0 }), ['miss', 'hit'], '0')
  const sampled = { 'x-loopgate-sample': '1' }
  for (const temperature of [undefined, null, 0, 1]) {
    t.strictSame(await shares({ ...QUESTION, temperature }, sampled), ['miss', 'hit'], `sampled at ${temperature}`)
  }
  for (const tool_choice of ['none', 'auto', null]) {
    t.strictSame(await shares({ ...SHARED, tool_choice }), ['miss', 'hit'], `tool_choice ${tool_choice}`)
  }
})

t.test('the version of the key is part of it, and an entry of another format is never given', async (t) => {
  const store = await redis(t)
  const upstream = await scratchUpstream(t, answer)
  const gate = await gateway(t, { upstreamUrl: upstream.url, redis: store })
  const explained = await send(`${gate.url}/api/cache/explain`, { key: gate.apiKey, body: { body: SHARED } })
  t.match(JSON.parse(String(explained.json['canonical'])), { version: /^\d+$/ })
  const key = (await post(gate, SHARED)).headers.get('x-loopgate-key') ?? ''
  const name = `${store.keyPrefix}:gen:{${key.slice(0, 56)}}:entry:0`
  const value = await until(async () => (await store.client.getBuffer(name)) ?? undefined)
  // The byte behind "LG" is the version of the format.
  value[2] = (value[2] ?? 0) - 1
  await store.client.set(name, value)
  const other = await gateway(t, { upstreamUrl: upstream.url, redis: store })
  t.equal(await outcomeOf(other, SHARED), 'miss')
})

t.test('a hundred equal requests, their members in any order and layout, are one request', async (t) => {
  const { gate, upstream } = await opened(t)
  const members = Object.entries({ ...SHARED, top_p: 1, tools: [{ type: 'function', function: { name: 'f' } }] })
  const keys = new Set<string | null>()
  for (let turn = 0; turn < 100; turn++) {
    const turned = Object.fromEntries([...members.slice(turn % 5), ...members.slice(0, turn % 5)])
    const body = turn % 2 === 0 ? JSON.stringify(turned) : JSON.stringify(turned, null, 2)
    keys.add((await post(gate, body)).headers.get('x-loopgate-key'))
  }
  t.equal(keys.size, 1)
  t.equal(upstream.calls.length, 1)
})

t.test('an answer belongs to the model that was asked, and to no other', async (t) => {
  const { gate, upstream } = await opened(t)
  t.equal(await outcomeOf(gate, { ...SHARED, model: 'small' }), 'miss')
  t.equal(await outcomeOf(gate, { ...SHARED, model: 'large' }), 'miss')
  t.strictSame(
    upstream.calls.map(({ body }) => body['model']),
    ['small', 'large'],
  )
})

t.test('a tenant cannot learn from its replies what another has asked', async (t) => {
  const { gate, upstream } = await opened(t)
  const other = { url: gate.url, apiKey: gate.otherTenantKey }
  const mine = await post(gate, SHARED)
  const theirs = await post(other, SHARED)
  t.equal(theirs.headers.get('x-loopgate-cache'), 'miss')
  t.not(theirs.headers.get('x-loopgate-key'), mine.headers.get('x-loopgate-key'))
  t.equal(theirs.headers.get('age'), null)
  t.equal(theirs.headers.get('x-loopgate-role'), 'leader')
  t.equal(upstream.calls.length, 2)
})

t.test('no reply to somebody with a key may be stored by a proxy', async (t) => {
  const { gate } = await opened(t)
  const asked = [
    ['POST', '/v1/chat/completions', SHARED],
    ['POST', '/v1/chat/completions', { ...SHARED, stream: true }],
    ['POST', '/v1/chat/completions', { model: 1 }],
    ['GET', '/v1/models', undefined],
    ['GET', '/api/cache', undefined],
    ['DELETE', '/api/cache', undefined],
    ['GET', '/api/cache/none', undefined],
    ['POST', '/api/cache/explain', { body: SHARED }],
    ['GET', '/api/loops', undefined],
  ] as const
  for (const [method, path, body] of asked) {
    const reply = await send(gate.url + path, { method, key: gate.apiKey, ...(body !== undefined && { body }) })
    t.equal(reply.headers.get('cache-control'), 'private, no-store', `${method} ${path} ${reply.status}`)
  }
})

const unfit: ReadonlyArray<readonly [name: string, stream: string, whole: (call: ScratchCall) => unknown]> = [
  ['length', `${delta('x')}${finish('length')}${DONE}`, (call) => answerJson(call, 200, document('x', 'length'))],
  [
    'content_filter',
    `${delta('x')}${finish('content_filter')}${DONE}`,
    (call) => answerJson(call, 200, document('x', 'content_filter')),
  ],
  ['no finish reason', `${delta('x')}${DONE}`, (call) => call.response.end('{"choices":[{"index":0,"mess')],
  [
    'an error',
    `${delta('x')}${event({ error: { message: 'no', type: 'server_error', code: 'x' } })}`,
    (call) => answerJson(call, 500, { message: 'no' }),
  ],
]
for (const [name, stream, whole] of unfit) {
  t.test(`an answer that ends with ${name} is never stored, in either shape`, async (t) => {
    const { gate, upstream } = await opened(t, (call) =>
      call.body['stream'] === true ? beginStream(call).end(stream) : whole(call),
    )
    for (const streams of [true, true, false, false]) {
      const before = upstream.calls.length
      await post(gate, { ...SHARED, stream: streams })
      t.ok(upstream.calls.length > before, 'it is asked for anew')
    }
  })
}

t.test('length is stored where the caller says so', async (t) => {
  const { gate } = await opened(t, (call) => answerJson(call, 200, document('x', 'length')))
  const wanted = { 'x-loopgate-cache-length': 'store' }
  t.equal(await outcomeOf(gate, SHARED, wanted), 'miss')
  t.equal(await outcomeOf(gate, SHARED, wanted), 'hit')
})

for (const [recorded, reply] of [
  ['a stream', (call: ScratchCall) => beginStream(call).end(STREAM)],
  ['a document', (call: ScratchCall) => answerJson(call, 200, document())],
] as const) {
  t.test(`a hit on ${recorded} streams in more than one chunk, with the content and usage of the miss`, async (t) => {
    const { gate, upstream } = await opened(t, reply)
    const asked = { ...SHARED, stream: true, stream_options: { include_usage: true } }
    const miss = await post(gate, asked)
    const hit = await post(gate, asked)
    t.equal(hit.headers.get('x-loopgate-cache'), 'hit')
    t.equal(contentOf(hit.text), TEXT)
    t.equal(hit.text, miss.text)
    t.ok(dataOf(hit.text).length > 2)
    const usages = dataOf(hit.text).flatMap((data) => {
      const usage = data === '[DONE]' ? null : (JSON.parse(data) as { usage?: unknown }).usage
      return usage ? [usage] : []
    })
    t.strictSame(usages, [USAGE], 'with the details of cached and reasoning tokens')
    t.strictSame((await post(gate, SHARED)).json['usage'], USAGE, 'in the other shape too')
    t.equal(upstream.calls.length, 1)
  })
}

for (const [path, body] of [
  ['/v1/chat/completions', SHARED],
  ['/v1/completions', PROMPT],
] as const) {
  t.test(`${path} caches in both modes, and the content type follows the request`, async (t) => {
    for (const first of [true, false]) {
      const { gate, upstream } = await opened(t)
      await post(gate, { ...body, stream: first }, {}, path)
      const streamed = await post(gate, { ...body, stream: true }, {}, path)
      const whole = await post(gate, body, {}, path)
      for (const reply of [streamed, whole]) t.equal(reply.headers.get('x-loopgate-cache'), 'hit')
      t.equal(streamed.headers.get('content-type'), 'text/event-stream; charset=utf-8')
      t.equal(whole.headers.get('content-type'), 'application/json; charset=utf-8')
      t.equal(contentOf(streamed.text), TEXT)
      t.equal(contentOf(whole.text), TEXT)
      t.equal(upstream.calls.length, 1)
    }
  })
}

for (const stream of [true, false]) {
  t.test(
    `hit, miss, coalesced and bypass are told with role and cost on every ${stream ? 'stream' : 'document'}`,
    async (t) => {
      const { gate, upstream } = await opened(t, () => {})
      const asked = { ...SHARED, stream }
      const both = [post(gate, asked), post(gate, asked)]
      const call = await upstream.call(1)
      // Whoever has looked into the memory in vain sits in the flight.
      const looked = 'loopgate_cache_lookups_total{tier="memory",result="miss"}'
      await until(async () => ((await metric(gate, looked)) === 2 ? true : undefined))
      answer(call)
      const apart = post(gate, { ...QUESTION, stream })
      answer(await upstream.call(2))
      const replies = [...(await Promise.all(both)), await post(gate, asked), await apart]
      const said = replies.map(({ headers }) => ({
        outcome: headers.get('x-loopgate-cache'),
        role: headers.get('x-loopgate-role'),
        paid: headers.get('x-loopgate-attempts'),
      }))
      t.strictSame(
        new Set(said),
        new Set([
          { outcome: 'miss', role: 'leader', paid: '1' },
          { outcome: 'coalesced', role: 'follower', paid: '0' },
          { outcome: 'hit', role: 'none', paid: '0' },
          { outcome: 'bypass', role: 'none', paid: '1' },
        ]),
      )
      for (const { headers } of replies)
        for (const name of ['queue-ms', 'upstream-ms']) {
          t.match(headers.get(`x-loopgate-${name}`), /^\d+(\.\d)?$/)
        }
    },
  )
}
