import { loopListSchema, loopViewSchema, problemSchema, type LoopInput } from '@loopgate/contracts'
import { connectRedis } from '@loopgate/loop-store'
import { createLogger } from '@loopgate/service-kit'
import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { createSliceProducer } from '@loopgate/work-queue'
import t from 'tap'
import { send, series, until } from './kit/http.ts'

const store = await redis(t)
const gw = await gateway(t, { redis: store })
const LOOPS = `${gw.url}/api/loops`

const INPUT: LoopInput = {
  goal: 'add two numbers',
  language: 'python',
  checks: [{ id: 'c', entryPoint: 'add', source: 'def check(f): assert f(1, 2) == 3' }],
  sampling: { model: 'sim' },
  budget: { iterations: 5 },
}
const create = (over: Record<string, unknown> = {}, key = gw.apiKey, headers: Record<string, string> = {}) =>
  send(LOOPS, { key, body: { ...INPUT, ...over }, headers })

t.test('a loop is created with its defaults, has a place of its own, and is queued for a worker', async (t) => {
  const reply = await create()
  t.equal(reply.status, 201)
  const loop = loopViewSchema.parse(reply.json)
  t.match(loop, { state: 'queued', request: { ...INPUT, scaffold: '', sampling: { fanOut: 8 } }, accepted: null })
  t.equal(reply.headers.get('location'), `/api/loops/${loop.id}`)
  const read = await send(`${LOOPS}/${loop.id}`, { key: gw.apiKey })
  t.strictSame(read.json, reply.json)
  const connection = connectRedis(store.url, 'fail-fast')
  const queue = createSliceProducer({ redis: connection, logger: createLogger('test', 'silent') }, store)
  t.strictSame(await queue.depth(), { waiting: 1, active: 0 })
  await queue.close()
  connection.disconnect()
})

t.test('a loop without a budget is refused by name, a budget of zero is not', async (t) => {
  const { budget: _budget, ...without } = INPUT
  const reply = await send(LOOPS, { key: gw.apiKey, body: without })
  t.equal(reply.status, 400)
  const { errors, detail } = problemSchema.parse(reply.json)
  t.strictSame(
    errors?.map(({ path }) => path),
    ['budget'],
  )
  t.match(detail, /budget/)
  const empty = await create({ budget: {} })
  t.equal(empty.status, 400)
  t.match(empty.json['detail'], /a loop needs a budget/)
  t.equal((await create({ budget: { tokens: 0 } })).status, 201)
})

t.test(
  'the same idempotency key and body give the first loop, another body a 409, another tenant its own loop',
  async (t) => {
    const headers = { 'idempotency-key': 'create-once' }
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => create({}, gw.apiKey, headers)))
    t.equal(first!.status, 201)
    t.equal(first!.json['id'], second!.json['id'])
    t.equal(first!.json['id'], third!.json['id'])
    const conflict = await create({ goal: 'something else' }, gw.apiKey, headers)
    t.match(conflict, { status: 409, json: { code: 'LG_CONFLICT' } })
    const other = await create({}, gw.otherTenantKey, headers)
    t.equal(other.status, 201)
    t.not(other.json['id'], first!.json['id'])
    for (const bad of ['', ' ', 'a b', 'x'.repeat(256)]) {
      t.match(await create({}, gw.apiKey, { 'idempotency-key': bad }), {
        status: 400,
        json: { detail: /idempotency-key/ },
      })
    }
  },
)

t.test("another tenant's loop does not exist, on every route that takes an id", async (t) => {
  const { id } = loopViewSchema.parse((await create()).json)
  for (const key of [gw.otherTenantKey]) {
    const asks: [string, string][] = [
      ['GET', id],
      ['GET', `${id}/events`],
      ['POST', `${id}/cancel`],
      ['POST', `${id}/resume`],
    ]
    for (const [method, path] of asks) {
      const reply = await send(`${LOOPS}/${path}`, { method, key })
      const missing = await send(`${LOOPS}/${path.replace(id, `loop_${'0'.repeat(24)}`)}`, { method, key })
      t.match(reply, { status: 404, json: { code: 'LG_NOT_FOUND' } }, `${method} ${path}`)
      t.equal(reply.json['detail'], missing.json['detail'], 'in the words for one that never was')
    }
  }
  t.equal(loopViewSchema.parse((await send(`${LOOPS}/${id}`, { key: gw.apiKey })).json).state, 'queued')
})

t.test("a tenant's loops are listed newest first, page by page, each once, by state, and no one else's", async (t) => {
  const key = gw.otherTenantKey
  const ids: string[] = []
  for (let index = 0; index < 7; index += 1) ids.unshift(loopViewSchema.parse((await create({}, key)).json).id)
  const seen: string[] = []
  let after: string | null = ''
  while (after !== null) {
    const query: string = after === '' ? '' : `&after=${encodeURIComponent(after)}`
    const page = loopListSchema.parse((await send(`${LOOPS}?limit=3${query}`, { key })).json)
    t.ok(page.loops.length <= 3)
    seen.push(...page.loops.map(({ id }) => id))
    after = page.next
  }
  t.equal(new Set(seen).size, seen.length)
  t.strictSame(seen.slice(0, 7), ids)

  await send(`${LOOPS}/${ids[2]!}/cancel`, { method: 'POST', key })
  const cancelled = loopListSchema.parse((await send(`${LOOPS}?state=cancelled`, { key })).json)
  t.strictSame(
    cancelled.loops.map(({ id }) => id),
    [ids[2]],
  )
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'state=gone', 'page=2']) {
    t.equal((await send(`${LOOPS}?${query}`, { key })).status, 400, query)
  }
})

t.test('a call that takes no body may say that it sends JSON, as many clients do whatever they send', async (t) => {
  const { id } = loopViewSchema.parse((await create()).json)
  for (const action of ['resume', 'cancel']) {
    const reply = await send(`${LOOPS}/${id}/${action}`, { method: 'POST', key: gw.apiKey, body: '' })
    t.equal(reply.status, 200, `${action}: ${reply.text}`)
  }
})

t.test('a queued loop is cancelled at once, and cancelling again changes nothing', async (t) => {
  const { id } = loopViewSchema.parse((await create()).json)
  for (let times = 0; times < 2; times += 1) {
    const reply = await send(`${LOOPS}/${id}/cancel`, { method: 'POST', key: gw.apiKey })
    t.equal(reply.status, 200)
    t.equal(loopViewSchema.parse(reply.json).state, 'cancelled')
  }
  const resumed = await send(`${LOOPS}/${id}/resume`, { method: 'POST', key: gw.apiKey })
  t.equal(loopViewSchema.parse(resumed.json).state, 'cancelled', 'what has ended stays ended')
})

t.test('loops show in the totals of /metrics', async (t) => {
  const metrics = async (): Promise<string> => (await send(`${gw.url}/metrics`)).text
  const created = series(await metrics(), 'loopgate_loops_total{state="created"}')
  t.ok(created > 0)
  await create()
  t.equal(series(await metrics(), 'loopgate_loops_total{state="created"}'), created + 1)
  t.match(await metrics(), /^loopgate_loop_iterations_total\{verdict="pass"\} 0$/m)
})

t.test('without Redis loops are refused with 503 and everything else is served', async (t) => {
  const none = await gateway(t, { redis: null })
  const refused = await send(`${none.url}/api/loops`, { key: none.apiKey, body: INPUT })
  t.match(refused, { status: 503, json: { code: 'LG_STORE_UNAVAILABLE', retryable: true } })
  t.equal((await send(`${none.url}/readyz`)).status, 200)
  const down = await gateway(t, { redis: { url: 'redis://127.0.0.1:9', keyPrefix: 'x' } })
  const away = await send(`${down.url}/api/loops`, { key: down.apiKey, body: INPUT })
  t.match(away, { status: 503, json: { code: 'LG_STORE_UNAVAILABLE' } })
  t.match(await send(`${down.url}/readyz`), { status: 200, json: { ready: true, loops: 'down', cache: 'down' } })
  t.equal((await send(`${down.url}/metrics`)).status, 200, 'totals of loops are missing, the rest is there')
})

t.test('an up-to-date Redis is told by readiness', async (t) => {
  t.match(
    await until(async () => {
      const { json } = await send(`${gw.url}/readyz`)
      return json['loops'] === 'up' ? json : undefined
    }),
    { ready: true, cache: 'up', loops: 'up' },
  )
})
