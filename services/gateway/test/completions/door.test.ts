import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { privateRedis } from '@loopgate/testkit/redis'
import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'
import { door, metric, post, QUESTION } from './kit.ts'

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const REPLY = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello 🌍' } }],
  usage: USAGE,
}
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: { content } }] })
const FINISH = event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USAGE })
const STREAM = `${delta('Hel')}${delta('lo 🌍')}${FINISH}data: [DONE]\n\n`

/** Answers in the shape that is asked for. */
const answer = (call: ScratchCall): unknown =>
  call.body['stream'] === true ? beginStream(call).end(STREAM) : answerJson(call, 200, REPLY)

t.test('every reply says how it was come by, streams and hits too, and is never to be stored by others', async (t) => {
  const upstream = await scratchUpstream(t, (call) =>
    answerJson(call, 200, REPLY, { 'x-ratelimit-remaining-tokens-minute': '7', 'x-secret': 'y' }),
  )
  const gate = await door(t, upstream)
  const shared = { ...QUESTION, temperature: 0 }
  const miss = await post(gate, shared, { 'x-loopgate-sample': '3' })
  const hit = await post(gate, { ...shared, stream: true }, { 'x-loopgate-sample': '3' })
  const bypass = await post(gate, QUESTION)
  const said = ({ headers }: typeof miss) =>
    ['cache', 'key', 'sample', 'attempts', 'queue-ms', 'upstream-ms'].map((name) => headers.get(`x-loopgate-${name}`))
  const key = miss.headers.get('x-loopgate-key')
  t.match(key, /^[0-9a-f]{64}$/)
  t.match(said(miss), ['miss', key, '3', '1', /^\d/, /^\d/])
  t.match(said(hit), ['hit', key, '3', '0', '0', '0'])
  t.match(said(bypass), ['bypass', null, null, '1', /^\d/, /^\d/])
  t.equal(hit.headers.get('age'), '0')
  t.equal(miss.headers.get('age'), null)
  t.equal(hit.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(hit.headers.get('x-accel-buffering'), 'no')
  for (const reply of [miss, hit, bypass]) {
    t.equal(reply.headers.get('cache-control'), 'private, no-store')
    t.ok(reply.headers.get('x-request-id'))
    t.equal(reply.headers.get('x-secret'), null)
  }
  t.equal(miss.headers.get('x-ratelimit-remaining-tokens-minute'), '7')
  t.equal(hit.headers.get('x-ratelimit-remaining-tokens-minute'), null)
  t.equal(upstream.calls.length, 2)
})

t.test('what cannot be shared passes byte for byte, both ways and in both shapes', async (t) => {
  const odd = `\uFEFFdata: {"choices":[{"index":0,"delta":{"content":"é"},"finish_reason":"stop"}]}\r\r: bye\r\n\r\ndata:[DONE]\n\n`
  const upstream = await scratchUpstream(t, (call) =>
    call.serial === 1 ? beginStream(call).end(odd) : call.response.end(' {"choices": [] }\n'),
  )
  const gate = await door(t, upstream)
  const body = `{ "model":"m", "messages": [{"content":"\\u00e9","role":"user"}],\n "stream":true, "z": 1e2 }`
  const streamed = await fetch(`${gate.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
    body,
  })
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  t.equal(sha256(Buffer.from(await streamed.arrayBuffer())), sha256(Buffer.from(odd)))
  t.equal(upstream.calls[0]?.text, body)
  t.equal((await post(gate, body.replace('true', 'false'))).text, ' {"choices": [] }\n')
})

t.test('the routes answer with and without /v1, for chat and for text', async (t) => {
  const upstream = await scratchUpstream(t, (call) => answerJson(call, 200, { ...REPLY, path: call.path }))
  const gate = await door(t, upstream)
  for (const path of ['/v1/chat/completions', '/chat/completions', '/v1/completions', '/completions']) {
    const body = path.includes('chat') ? QUESTION : { model: 'm', prompt: 'x' }
    const reply = await post(gate, body, {}, path)
    t.equal(reply.status, 200, path)
    t.equal(reply.json['path'], path.startsWith('/v1') ? path : `/v1${path}`)
  }
})

const refused: ReadonlyArray<
  readonly [name: string, body: unknown, headers: Record<string, string>, param: string, text: RegExp]
> = [
  [
    'a wrong role',
    { model: 'm', messages: [{ role: 'robot', content: 'x' }] },
    {},
    'messages.0.role',
    /^messages\.0\.role: expected one of "system"/,
  ],
  ['no messages', { model: 'm' }, {}, 'messages', /^messages: required/],
  ['a temperature as text', { ...QUESTION, temperature: '0' }, {}, 'temperature', /^temperature: expected number/],
  [
    'a sample that is no number',
    QUESTION,
    { 'x-loopgate-sample': '-1' },
    'x-loopgate-sample',
    /^x-loopgate-sample: expected a whole number/,
  ],
  ['a sample of two', QUESTION, { 'x-loopgate-sample': '1, 2' }, 'x-loopgate-sample', /whole number/],
  [
    'an age that is no number',
    QUESTION,
    { 'cache-control': 'max-age=soon' },
    'cache-control',
    /^cache-control: max-age expected/,
  ],
  ['an unknown mode', QUESTION, { 'x-loopgate-mode': 'lax' }, 'x-loopgate-mode', /expected strict/],
  [
    'a field of OpenAI in strict mode',
    { ...QUESTION, messages: [{ role: 'user', content: 'x', refusal: null }] },
    { 'x-loopgate-mode': 'strict' },
    'messages.0.refusal',
    /does not support/,
  ],
  [
    'a lone surrogate',
    `{"model":"m","temperature":0,"messages":[{"role":"user","content":"\\ud800"}]}`,
    {},
    'messages.0.content',
    /lone surrogate/,
  ],
]
t.test('a bad request is a 400 that names the field or header, before the upstream is asked', async (t) => {
  const upstream = await scratchUpstream(t, answer)
  const gate = await door(t, upstream)
  for (const [name, body, headers, param, text] of refused) {
    const reply = await post(gate, body, headers)
    t.equal(reply.status, 400, name)
    t.match(reply.json, { message: text, type: 'invalid_request_error', param, error: { message: text, param } }, name)
  }
  t.equal((await post(gate, `{"model":"m","messages":${'['.repeat(50_000)}`)).status, 400)
  t.equal(upstream.calls.length, 0)
})

t.test('deep nesting is refused where a key is needed and passed on where none is', async (t) => {
  const upstream = await scratchUpstream(t, answer)
  const gate = await door(t, upstream)
  const deep = (rest: string) =>
    `{"model":"m","messages":[{"role":"user","content":"x"}],"deep":${'['.repeat(5000)}${']'.repeat(5000)}${rest}}`
  t.match((await post(gate, deep(',"temperature":0'))).json, { message: /nested deeper than 128 levels/ })
  t.equal((await post(gate, deep(''))).status, 200)
})

t.test('fields that the upstream refuses are removed and named, and the key is that of what was sent', async (t) => {
  const upstream = await scratchUpstream(t, answer)
  const gate = await door(t, upstream)
  const plain = { ...QUESTION, temperature: 0 }
  const given = { ...plain, store: true, metadata: { a: '1' }, messages: [{ ...QUESTION.messages[0], refusal: null }] }
  const reply = await post(gate, given)
  t.equal(reply.headers.get('x-loopgate-normalised'), 'messages.*.refusal, metadata, store')
  t.strictSame(upstream.calls[0]?.body, plain)
  const same = await post(gate, plain)
  t.equal(same.headers.get('x-loopgate-cache'), 'hit')
  t.equal(same.headers.get('x-loopgate-normalised'), null)
})

t.test('two tenants with the same body never share, and their keys differ', async (t) => {
  const upstream = await scratchUpstream(t, answer)
  const gate = await door(t, upstream)
  const body = { ...QUESTION, temperature: 0 }
  const [mine, theirs] = [await post(gate, body), await post({ url: gate.url, apiKey: gate.otherTenantKey }, body)]
  t.equal(theirs.headers.get('x-loopgate-cache'), 'miss')
  t.not(theirs.headers.get('x-loopgate-key'), mine.headers.get('x-loopgate-key'))
  t.equal(upstream.calls.length, 2)
})

t.test('five hundred equal requests through the door, half streaming, cost one upstream call', async (t) => {
  const upstream = await scratchUpstream(t, (call) => setImmediate(() => answer(call)))
  const gate = await door(t, upstream)
  const replies = await Promise.all(
    Array.from({ length: 500 }, (_, index) => post(gate, { ...QUESTION, seed: 1, stream: index % 2 === 0 })),
  )
  t.equal(upstream.calls.length, 1)
  const content = ({ text }: { text: string }) =>
    text.startsWith('data: ')
      ? [...text.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1]).join('')
      : (JSON.parse(text) as typeof REPLY).choices[0]?.message.content
  t.strictSame(new Set(replies.map(content)), new Set(['Hello 🌍']))
  t.strictSame(new Set(replies.map(({ status }) => status)), new Set([200]))
})

/** Opens a request over a socket of its own, to be broken off at will. */
function caller(gate: { url: string; apiKey: string }, body: object) {
  const text = JSON.stringify(body)
  const socket = connect(Number(new URL(gate.url).port), '127.0.0.1')
  let got = ''
  socket.on('data', (bytes) => (got += String(bytes)))
  socket.on('error', () => {})
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gate.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  return { socket, got: () => got }
}

t.test(
  'a caller that leaves is noticed before the headers, before the first chunk and in mid-stream, in both shapes',
  async (t) => {
    for (const stream of [true, false]) {
      for (const point of ['before headers', 'before the first chunk', 'in mid-stream'] as const) {
        const upstream = await scratchUpstream(t, (call) => {
          if (point === 'before headers') return
          const response = beginStream(call)
          response.flushHeaders()
          if (point === 'in mid-stream') response.write(delta('Hel'))
        })
        const gate = await door(t, upstream)
        const { socket, got } = caller(gate, { ...QUESTION, stream })
        const call = await upstream.call(1)
        if (stream && point === 'before the first chunk') while (!got().includes('\r\n\r\n')) await once(socket, 'data')
        if (stream && point === 'in mid-stream') while (!got().includes('Hel')) await once(socket, 'data')
        socket.destroy()
        await call.abandoned
        const name = `loopgate_http_requests_total{route="/v1/chat/completions",method="POST",status="499"}`
        t.equal(await metric(gate, name), 1, `${point}, ${stream ? 'stream' : 'document'}`)
        t.equal(await metric(gate, 'loopgate_generation_results_total{result="client_closed"}'), 1)
        t.equal(await metric(gate, 'loopgate_flights'), 0)
      }
    }
  },
)

t.test('the headers of a stream and its first chunk arrive before the upstream goes on', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).flushHeaders())
  const gate = await door(t, upstream)
  const { socket, got } = caller(gate, { ...QUESTION, stream: true })
  while (!got().includes('\r\n\r\n')) await once(socket, 'data')
  t.match(got(), /^HTTP\/1\.1 200 OK\r\n/)
  const { response } = await upstream.call(1)
  response.write(delta('Hel'))
  while (!got().includes('Hel')) await once(socket, 'data')
  response.end(`${FINISH}data: [DONE]\n\n`)
  while (!got().includes('[DONE]')) await once(socket, 'data')
  socket.destroy()
})

t.test('an error in mid-stream ends with the error and without [DONE]; the connection ends in order', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).end(delta('Hel')))
  const gate = await door(t, upstream)
  const { status, text } = await post(gate, { ...QUESTION, stream: true })
  t.equal(status, 200)
  t.match(text, /"finish_reason":"error"/)
  t.match(text, /"code":"upstream_truncated"/)
  t.notMatch(text, '[DONE]')
  t.equal(await metric(gate, 'loopgate_generation_results_total{result="upstream_truncated"}'), 1)
})

t.test('the key of the provider appears in no reply and no metric, whatever the upstream echoes', async (t) => {
  const upstream = await scratchUpstream(t, (call) =>
    answerJson(call, 400, { message: `bad ${call.headers.authorization}` }),
  )
  const gate = await door(t, upstream)
  const reply = await post(gate, QUESTION)
  const metrics = await (await fetch(`${gate.url}/metrics`)).text()
  t.match(reply.json, { message: /redacted/ })
  t.notMatch(reply.text + JSON.stringify([...reply.headers]) + metrics, 'canary')
})

t.test('with Redis frozen the door still answers', async (t) => {
  const { url, pid } = await privateRedis(t)
  const upstream = await scratchUpstream(t, answer)
  const gate = await gateway(t, { upstreamUrl: upstream.url, redis: { url, keyPrefix: 'x' } })
  await post(gate, { ...QUESTION, seed: 0 })
  process.kill(pid, 'SIGSTOP')
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, index) => post(gate, { ...QUESTION, seed: index + 1, stream: index % 2 === 0 })),
  )
  t.strictSame(new Set(replies.map(({ status }) => status)), new Set([200]))
  t.equal((await post(gate, { ...QUESTION, seed: 0 })).headers.get('x-loopgate-cache'), 'hit', 'from memory')
  for (let seed = 100; (await metric(gate, 'loopgate_cache_redis_up')) === 1; seed++) {
    t.equal((await post(gate, { ...QUESTION, seed })).status, 200, 'until the breaker opens')
  }
  process.kill(pid, 'SIGCONT')
})
