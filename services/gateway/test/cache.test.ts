import { createHash } from 'node:crypto'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { answerJson, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { door, post, QUESTION } from './completions/kit.ts'
import { send, until } from './kit/http.ts'

const answer = (serial: number) => ({
  id: `chatcmpl-${serial}`,
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: `answer ${serial}` } }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
})
const SHARED = { ...QUESTION, temperature: 0 }

async function opened(t: Test): Promise<TestGateway> {
  return await door(t, await scratchUpstream(t, (call) => answerJson(call, 200, answer(call.serial))))
}

const keyOf = async (gate: { url: string; apiKey: string }, body: object = SHARED, headers = {}): Promise<string> =>
  (await post(gate, body, headers)).headers.get('x-loopgate-key') ?? ''

/** A request to the cache's own routes. */
const cache = (
  gate: TestGateway,
  method: string,
  path = '',
  { key = gate.apiKey, body }: { key?: string; body?: unknown } = {},
) => send(`${gate.url}/api/cache${path}`, { method, key, ...(body !== undefined && { body }) })

/** Writes a verdict as soon as the answer is stored, which no caller waits for. */
const judged = (gate: TestGateway, key: string, verdict: object) =>
  until(async () => {
    const reply = await cache(gate, 'POST', `/${key}/verdict`, { body: verdict })
    return reply.status === 404 ? undefined : reply
  })

t.test('what is stored can be looked at and judged by its own tenant, and by nobody else', async (t) => {
  const gate = await opened(t)
  const key = await keyOf(gate, SHARED, { 'x-loopgate-sample': '4' })
  t.match((await judged(gate, key, { verdict: 'pass', evaluator: 'unit tests' })).json, {
    verdict: 'pass',
    evaluator: 'unit tests',
    judgedAt: /^\d{4}-/,
  })
  t.match((await cache(gate, 'GET', `/${key}`)).json, {
    key,
    scope: 'tenant',
    surface: 'chat',
    model: QUESTION.model,
    sampleIndex: 4,
    finishReasons: ['stop'],
    usage: { total_tokens: 5 },
    recordedAs: 'document',
    verdict: { verdict: 'pass' },
  })
  for (const [method, path] of [
    ['GET', `/${key}`],
    ['DELETE', `/${key}`],
    ['POST', `/${key}/verdict`],
    ['GET', '/nothing'],
    ['GET', `/${'0'.repeat(64)}`],
  ] as const) {
    const body = method === 'POST' ? { body: { verdict: 'fail' } } : {}
    const reply = await cache(gate, method, path, { key: gate.otherTenantKey, ...body })
    t.match(reply.json, { status: 404, code: 'LG_NOT_FOUND' }, `${method} ${path}`)
  }
  t.match((await cache(gate, 'POST', `/${key}/verdict`, { body: { verdict: 'maybe' } })).json, {
    status: 400,
    errors: [{ path: 'verdict' }],
  })
})

t.test('best serves what has passed, and says which it was', async (t) => {
  const gate = await opened(t)
  const body = { ...QUESTION, temperature: 0.9 }
  for (const index of ['0', '1', '2']) await keyOf(gate, body, { 'x-loopgate-sample': index })
  const passed = await keyOf(gate, body, { 'x-loopgate-sample': '1' })
  await judged(gate, passed, { verdict: 'pass' })
  const best = await post(gate, body, { 'x-loopgate-sample': 'best' })
  t.equal(best.headers.get('x-loopgate-cache'), 'hit')
  t.equal(best.headers.get('x-loopgate-sample'), '1')
  t.equal(best.headers.get('x-loopgate-key'), passed)
  const fresh = await post(gate, body, { 'x-loopgate-sample': 'new' })
  t.equal(fresh.headers.get('x-loopgate-cache'), 'miss')
  t.equal(fresh.headers.get('x-loopgate-sample'), '1000000')
})

t.test('one answer, a tenant, or another tenant by an administrator can be cleared', async (t) => {
  const gate = await opened(t)
  const outcome = async (apiKey = gate.apiKey) =>
    (await post({ url: gate.url, apiKey }, SHARED)).headers.get('x-loopgate-cache')
  const key = await keyOf(gate)
  await outcome(gate.otherTenantKey)
  t.equal((await cache(gate, 'DELETE', `/${key}`)).status, 204)
  t.equal((await cache(gate, 'DELETE', `/${key}`)).status, 404)
  t.equal(await outcome(), 'miss')
  t.equal(await outcome(), 'hit')
  t.match((await cache(gate, 'DELETE')).json, { tenant: 'acme', namespace: 1 })
  t.equal(await outcome(), 'miss')
  t.equal(await outcome(gate.otherTenantKey), 'hit')
  t.equal((await cache(gate, 'DELETE', '?tenant=globex')).status, 403)
  const admin = { key: gate.adminKey }
  t.match((await cache(gate, 'DELETE', '?tenant=globex', admin)).json, { tenant: 'globex', namespace: 1 })
  t.match((await cache(gate, 'DELETE', '?tenant=*', admin)).json, { tenant: '*' })
  t.match((await cache(gate, 'DELETE', '?tenant=nobody', admin)).json, { status: 400, code: 'LG_BAD_REQUEST' })
  t.equal(await outcome(gate.otherTenantKey), 'miss')
})

t.test('a tenant sees its own numbers, an administrator those of all', async (t) => {
  const gate = await opened(t)
  for (const apiKey of [gate.apiKey, gate.apiKey, gate.otherTenantKey]) await post({ url: gate.url, apiKey }, SHARED)
  const mine = (await cache(gate, 'GET')).json
  t.match(mine, {
    tenants: [{ tenant: 'acme', models: [{ model: QUESTION.model, hits: 1, misses: 1, savedTokens: 5 }] }],
  })
  t.equal((mine['tenants'] as unknown[]).length, 1)
  const all = (await cache(gate, 'GET', '', { key: gate.adminKey })).json
  t.strictSame(
    (all['tenants'] as { tenant: string }[]).map(({ tenant }) => tenant),
    ['acme', 'globex'],
  )
})

t.test('an explanation says what a request would meet and why, and changes nothing', async (t) => {
  const gate = await opened(t)
  const explained = async (body: object, rest: object = {}) =>
    (await cache(gate, 'POST', '/explain', { body: { body, ...rest } })).json
  t.match(await explained(QUESTION), { shareable: false, outcome: 'bypass', key: null, why: /temperature/ })
  const before = await explained(SHARED)
  t.match(before, { shareable: true, outcome: 'miss', key: /^[0-9a-f]{64}$/, sampleIndex: 0, entry: null })
  t.equal(await keyOf(gate), before['key'])
  t.match(JSON.parse(String(before['canonical'])), { request: { temperature: 0 }, scope: 'acme', sample: 0 })
  t.match(await explained(SHARED), { outcome: 'hit', entry: { key: before['key'], finishReasons: ['stop'] } })
  t.match(await explained({ ...SHARED, stream: true }), { outcome: 'hit' })
  t.match(await explained(SHARED, { headers: { 'Cache-Control': 'no-cache' } }), { outcome: 'miss' })
  t.match(await explained(SHARED, { headers: { 'x-loopgate-sample': 'new' } }), { outcome: 'miss', key: null })
  t.match(await explained({ ...SHARED, store: true }), { outcome: 'hit', normalised: ['store'] })
  t.match(await explained({ model: 'm' }), { status: 400, errors: [{ path: 'body.messages' }] })
  t.match(await explained(SHARED, { headers: { 'x-loopgate-sample': 'some' } }), { status: 400 })
})

t.test('an explanation finds the first field in which a request differs from a stored one', async (t) => {
  const gate = await opened(t)
  const messages = [
    { role: 'system' as const, content: 'Be brief.' },
    { role: 'user' as const, content: 'Add two numbers.' },
  ]
  const stored = { model: 'm', messages, temperature: 0, top_p: 1 }
  const compareWith = await keyOf(gate, stored)
  const differs = async (body: object, rest: object = {}) =>
    (await cache(gate, 'POST', '/explain', { body: { body, compareWith, ...rest } })).json['differs']
  const second = [messages[0], { role: 'user', content: 'Add three numbers.' }]
  t.equal(await differs(stored), null)
  t.match(await differs({ ...stored, messages: second }), { field: 'messages.1', here: /^sha256:/, there: /^sha256:/ })
  t.match(await differs({ ...stored, messages: [messages[0]] }), { field: 'messages.1', here: 'absent' })
  t.match(await differs({ ...stored, seed: 1 }), { field: 'seed', there: 'absent' })
  t.match(await differs({ ...stored, top_p: null }), { field: 'top_p' })
  t.match(await differs({ ...stored, field_of_tomorrow: 1 }), { field: 'field_of_tomorrow' })
  t.match(await differs(stored, { headers: { 'x-loopgate-sample': '3' } }), {
    field: '(sample)',
    here: '3',
    there: '0',
  })
  const foreign = await cache(gate, 'POST', '/explain', {
    key: gate.otherTenantKey,
    body: { body: stored, compareWith },
  })
  t.match(foreign.json, { status: 404 }, "another tenant's entry is not compared with")
})

t.test('an API key has defaults, and headers overrule them', async (t) => {
  const store = await redis(t)
  const upstream = await scratchUpstream(t, (call) => answerJson(call, 200, answer(call.serial)))
  const configured = (secret: string, tenant: string, defaults: object) => ({
    tenant,
    name: secret,
    sha256: createHash('sha256').update(secret).digest('hex'),
    scopes: ['complete'],
    cache: defaults,
  })
  const gate = await gateway(t, {
    upstreamUrl: upstream.url,
    redis: store,
    env: {
      LOOPGATE_CACHE_SHARED: 'true',
      LOOPGATE_API_KEYS: JSON.stringify([
        configured('off', 'acme', { mode: 'off' }),
        configured('short', 'acme', { ttlSeconds: 60 }),
        configured('shares', 'acme', { scope: 'shared' }),
        configured('too', 'globex', { scope: 'shared' }),
      ]),
    },
  })
  const outcome = async (apiKey: string, headers = {}, body: object = SHARED) =>
    (await post({ url: gate.url, apiKey }, body, headers)).headers.get('x-loopgate-cache')
  t.equal(await outcome('off'), 'bypass')
  t.equal(await outcome('off', { 'x-loopgate-sample': '0' }), 'miss')
  t.equal(await outcome('off', { 'idempotency-key': 'a' }), 'hit', 'deterministic, so shared beyond its repetitions')
  t.equal(await outcome('shares'), 'miss', 'the tenant has it, all together do not')
  t.equal(await outcome('too'), 'hit')
  t.equal(await outcome('too', { 'x-loopgate-cache-scope': 'tenant' }), 'miss')
  const lifeOf = async (sample: string, headers = {}) => {
    const key = (
      await post({ url: gate.url, apiKey: 'short' }, SHARED, { 'x-loopgate-sample': sample, ...headers })
    ).headers.get('x-loopgate-key')
    const name = `${store.keyPrefix}:gen:{${key?.slice(0, 56)}}:entry:${sample}`
    return await until(async () => ((await store.client.exists(name)) === 1 ? store.client.ttl(name) : undefined))
  }
  t.ok((await lifeOf('7')) <= 66)
  t.ok((await lifeOf('8', { 'x-loopgate-cache-ttl': '600' })) > 500)
})

const wrong: ReadonlyArray<readonly [header: string, value: string, expected: RegExp]> = [
  ['x-loopgate-sample', 'some', /any, best or new/],
  ['x-loopgate-cache-ttl', '0', /seconds from 1 to 31622400/],
  ['x-loopgate-cache-ttl', '1e3', /whole number/],
  ['x-loopgate-cache-scope', 'global', /tenant or shared/],
  ['x-loopgate-cache-length', 'yes', /expected store/],
  ['x-loopgate-replay', 'fast', /events per second/],
  ['x-loopgate-resumable', '1', /expected true/],
  ['last-event-id', '17', /<key>:<number>:<mark>/],
  ['idempotency-key', 'a b', /printable characters without spaces/],
]
t.test('a header with a value that means nothing is a 400 that names it and what it takes', async (t) => {
  const gate = await opened(t)
  for (const [header, value, expected] of wrong) {
    const reply = await post(gate, { ...SHARED, stream: true }, { [header]: value })
    t.match(reply.json, { error: { param: header, message: expected } }, `${header}: ${value}`)
    t.equal(reply.status, 400)
  }
  const both = await post(gate, SHARED, { 'idempotency-key': 'a', 'cache-control': 'no-store' })
  t.match(both.json, { error: { param: 'idempotency-key', message: /no-store/ } })
  const whole = await post(gate, SHARED, { 'last-event-id': `${'0'.repeat(64)}:1` })
  t.match(whole.json, { error: { param: 'last-event-id', message: /stream: true/ } })
})
