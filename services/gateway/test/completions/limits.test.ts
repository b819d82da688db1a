import { gateway, gatewayProcess } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { type Reply, send } from '../kit/http.ts'
import { limitedKey, usageOf } from '../kit/keys.ts'

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const SOON_MS = 20_000
const SURFACES = {
  chat: {
    path: '/v1/chat/completions',
    body: { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'x' }] },
    choice: { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } },
    chunk: { index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' },
  },
  text: {
    path: '/v1/completions',
    body: { model: 'gpt-oss-120b', prompt: 'x' },
    choice: { index: 0, finish_reason: 'stop', text: 'Hi' },
    chunk: { index: 0, text: 'Hi', finish_reason: 'stop' },
  },
} as const
type Surface = keyof typeof SURFACES

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

/** Answers as the prompt's text says: in full, with an error, cut off, or not until the caller has gone. */
function answering(surface: Surface, how: string) {
  const { choice, chunk } = SURFACES[surface]
  return (call: ScratchCall): unknown => {
    if (how === 'refuses') return answerJson(call, 400, { message: 'no', code: 'wrong_api_format' })
    if (how === 'fails') return answerJson(call, 500, { message: 'broken' })
    if (how === 'hangs') return undefined
    const stream = call.body['stream'] === true
    const first = event({ id: 'c', model: 'm', choices: [{ ...chunk, finish_reason: null }] })
    if (how === 'cuts off' && stream) {
      return beginStream(call).write(first, () => call.response.req.socket.resetAndDestroy())
    }
    if (how === 'cuts off') return call.response.req.socket.resetAndDestroy()
    if (!stream) return answerJson(call, 200, { id: 'c', model: 'm', choices: [choice], usage: USAGE })
    return beginStream(call).end(`${first}${event({ id: 'c', choices: [chunk], usage: USAGE })}data: [DONE]\n\n`)
  }
}

const OUTCOMES = ['answers', 'refuses', 'fails', 'cuts off', 'hangs'] as const

for (const surface of ['chat', 'text'] as const) {
  for (const stream of [false, true]) {
    for (const how of OUTCOMES) {
      t.test(
        `${surface}, ${stream ? 'streamed' : 'whole'}, an upstream that ${how}: nothing stays reserved`,
        async (t) => {
          const upstream = await scratchUpstream(t, answering(surface, how))
          const gw = await gateway(t, { upstreamUrl: upstream.url })
          const key = await limitedKey(gw, { tokensPerMinute: 100_000, concurrentGenerations: 5 })
          const { path, body } = SURFACES[surface]
          const left = new AbortController()
          const asked = send(gw.url + path, {
            key: key.secret,
            body: { ...body, stream, max_tokens: 50 },
            signal: left.signal,
          })
          if (how === 'hangs') {
            await until(() => upstream.calls.length > 0, SOON_MS)
            t.match(await usageOf(gw, key.id), { reserved: { generations: 1 } }, 'held while it is under way')
            left.abort()
          }
          await asked.catch(() => {})
          await until(async () => (await usageOf(gw, key.id)).reserved.generations === 0, SOON_MS)
          const { reserved, minute, total } = await usageOf(gw, key.id)
          t.strictSame(reserved, { tokens: 0, microUsd: 0, generations: 0, executions: 0 })
          t.equal(minute.requests, 1)
          if (how === 'answers')
            t.strictSame(total, { tokens: 5, microUsd: 3 }, '3 x 0.35 + 2 x 0.75 micro-USD, rounded up')
          else if (how === 'cuts off' && stream) t.ok(total.tokens > 0, 'what had been read and written is paid for')
          else t.equal(total.tokens, 0)
        },
      )
    }
  }
}

t.test(
  'a stored answer and one that is shared cost their callers nothing, a refused body reserves nothing',
  async (t) => {
    const upstream = await scratchUpstream(t, answering('chat', 'answers'))
    const gw = await gateway(t, { upstreamUrl: upstream.url })
    const key = await limitedKey(gw, { tokensPerMinute: 100_000 })
    const { path, body } = SURFACES.chat
    const ask = (more: object): Promise<Reply> =>
      send(gw.url + path, { key: key.secret, body: { ...body, temperature: 0, ...more } })
    await Promise.all([ask({}), ask({}), ask({ stream: true })])
    t.equal((await ask({})).headers.get('x-loopgate-cache'), 'hit')
    t.equal((await ask({ messages: 'none' })).status, 400)
    await until(async () => (await usageOf(gw, key.id)).reserved.generations === 0, SOON_MS)
    t.equal(upstream.calls.length, 1)
    t.match(await usageOf(gw, key.id), { total: { tokens: 5 }, minute: { requests: 4 } })
  },
)

t.test(
  'a limit says which it is, whose, and when it frees; a budget that is spent is not worth asking again',
  async (t) => {
    const upstream = await scratchUpstream(t, answering('chat', 'answers'))
    const gw = await gateway(t, { upstreamUrl: upstream.url })
    const { path, body } = SURFACES.chat
    const one = await limitedKey(gw, { requestsPerMinute: 1 })
    t.equal((await send(gw.url + path, { key: one.secret, body })).status, 200)
    const limited = await send(gw.url + path, { key: one.secret, body })
    t.match(limited, {
      status: 429,
      json: { error: { code: 'rate_limit_exceeded', message: /requests a minute \(requestsPerMinute\)/ } },
    })
    const seconds = Number(limited.headers.get('retry-after'))
    t.ok(seconds >= 55 && seconds <= 65, `retry-after ${seconds}`)

    const two = await limitedKey(gw, { microUsdTotal: 1 })
    const spent = await send(gw.url + path, { key: two.secret, body: { ...body, max_tokens: 1000 } })
    t.match(spent, { status: 402, json: { error: { code: 'insufficient_quota', message: /micro-USD in total/ } } })
    t.equal(spent.headers.get('retry-after'), null)
    t.equal(upstream.calls.length, 1)

    await send(`${gw.url}/api/tenants/initech`, {
      method: 'PUT',
      key: gw.adminKey,
      body: { limits: { tokensTotal: 10 } },
    })
    const three = await limitedKey(gw, {})
    const shared = await send(gw.url + path, { key: three.secret, body })
    t.match(shared, { status: 402, json: { error: { message: /The tenant is limited to 10 tokens in total/ } } })
  },
)

t.test('a key may use only its models', async (t) => {
  const gw = await gateway(t, { upstreamUrl: (await scratchUpstream(t, answering('chat', 'answers'))).url })
  const made = { tenant: 'initech', name: 'n', scopes: ['complete', 'loops'], models: ['gpt-oss-120b'] }
  const { json } = await send(`${gw.url}/api/keys`, { key: gw.adminKey, body: made })
  const { path, body } = SURFACES.chat
  const key = String(json['secret'])
  t.equal((await send(gw.url + path, { key, body })).status, 200)
  const other = await send(gw.url + path, { key, body: { ...body, model: 'other' } })
  t.match(other, { status: 403, json: { error: { param: 'model', message: /may use gpt-oss-120b, not other/ } } })
  const loop = {
    goal: 'g',
    language: 'python',
    checks: [{ id: 'c', entryPoint: 'f', source: 's' }],
    sampling: { model: 'other' },
    budget: { iterations: 1 },
  }
  const refused = await send(`${gw.url}/api/loops`, { key, body: loop })
  t.match(refused, { status: 403, json: { detail: /sampling\.model: the API key may use gpt-oss-120b/ } })
  t.equal(
    (await send(`${gw.url}/api/loops`, { key, body: { ...loop, sampling: { model: 'gpt-oss-120b' } } })).status,
    201,
  )
})

t.test(
  '100 tokens, fifty callers at once on three replicas, one of them killed: never more than 100 held',
  async (t) => {
    const store = await redis(t)
    const upstream = await scratchUpstream(t, answering('chat', 'hangs'))
    const options = { redis: store, upstreamUrl: upstream.url }
    const admin = await gateway(t, options)
    const [dead, ...alive] = await Promise.all(
      [1, 2, 3].map(() => gatewayProcess(t, { ...options, env: { LOOPGATE_LIMIT_LEASE_MS: '3000' } })),
    )
    const { path, body } = SURFACES.chat
    const text = JSON.stringify({ ...body, max_tokens: 2 })
    const each = Math.ceil(text.length / 3) + 2
    const key = await limitedKey(admin, { tokensPerMinute: 100 })
    const gates = [dead, ...alive]
    for (const gate of gates) {
      await until(async () => (await send(`${gate?.url}/api/cache`, { key: key.secret })).status === 200, SOON_MS)
    }
    const left = new AbortController()
    const refused: number[] = []
    const asked = Array.from({ length: 50 }, (_, index) =>
      send(`${gates[index % 3]?.url}${path}`, { key: key.secret, body: text, signal: left.signal }).then(
        ({ status }) => refused.push(status),
        () => {},
      ),
    )
    const fits = Math.floor(100 / each)
    await until(() => refused.length === 50 - fits, SOON_MS)
    t.strictSame([...new Set(refused)], [429])
    t.equal((await usageOf(admin, key.id)).reserved.tokens, fits * each)
    dead?.child.kill('SIGKILL')
    left.abort()
    await Promise.all(asked)
    await until(async () => (await usageOf(admin, key.id)).reserved.tokens === 0, SOON_MS)
    t.ok((await usageOf(admin, key.id)).minute.tokens <= 100, 'and what the dead one held counts as used')
  },
)
