import { manualClock } from '@loopgate/testkit/clock'
import { gateway } from '@loopgate/testkit/gateway'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import t, { type Test } from 'tap'
import { metric, post, QUESTION } from './kit.ts'

const MODEL = QUESTION.model
const SOON_MS = 20_000
const USAGE = { prompt_tokens: 20, completion_tokens: 100, total_tokens: 120 }

const document = (usage = USAGE, finish = 'stop', content = 'Hi') => ({
  id: 'chatcmpl-1',
  model: MODEL,
  choices: [{ index: 0, finish_reason: finish, message: { role: 'assistant', content } }],
  usage,
})
const answer = (call: ScratchCall): unknown => answerJson(call, 200, document())

/** A gateway with limits that are known from the start and a clock that the test moves. */
async function opened(
  t: Test,
  limits: Record<string, number>,
  reply: (call: ScratchCall) => unknown,
  env: Record<string, string> = {},
) {
  const clock = manualClock()
  const upstream = await scratchUpstream(t, reply)
  const gate = await gateway(
    t,
    {
      upstreamUrl: upstream.url,
      redis: null,
      env: { LOOPGATE_UPSTREAM_LIMITS: JSON.stringify({ '*': { '*': limits } }), ...env },
    },
    { clock },
  )
  const depth = () => metric(gate, 'loopgate_queue_depth{class="interactive"}')
  const waiting = (count: number) => until(async () => (await depth()) === count, SOON_MS)
  return { clock, upstream, gate, depth, waiting }
}

const asks = (max: number, more: object = {}) => ({ ...QUESTION, max_completion_tokens: max, ...more })

t.test('who cannot be served before its deadline is told at once when to come again, and that is true', async (t) => {
  const { clock, gate, upstream } = await opened(t, { requestsPerMinute: 10 }, answer)
  for (let n = 0; n < 10; n++) t.equal((await post(gate, asks(100))).status, 200)
  const refused = await post(gate, asks(100), { 'x-loopgate-deadline-ms': '1000' })
  t.equal(refused.status, 429)
  t.match(refused.json, { error: { code: 'deadline_exceeded' } })
  const waitMs = Number(refused.headers.get('retry-after-ms'))
  t.ok(waitMs > 1000 && waitMs < 6100, `${waitMs}`)
  t.equal(Number(refused.headers.get('retry-after')), Math.ceil(waitMs / 1000))
  clock.advance(waitMs)
  const again = await post(gate, asks(100), { 'x-loopgate-deadline-ms': '0' })
  t.equal(again.status, 200)
  t.equal(upstream.calls.length, 11)
})

t.test('who can wait waits, and is told how long it was to be and how long it was', async (t) => {
  const { clock, gate, waiting } = await opened(t, { requestsPerMinute: 10 }, answer)
  for (let n = 0; n < 10; n++) await post(gate, asks(100))
  const late = post(gate, asks(100))
  await waiting(1)
  clock.advance(7000)
  const { status, headers } = await late
  t.equal(status, 200)
  const expected = Number(headers.get('x-loopgate-expected-wait-ms'))
  t.ok(expected > 5000 && expected < 6100, `${expected}`)
  t.equal(headers.get('x-loopgate-queue-ms'), '7000')
})

t.test(
  'a caller that leaves frees its place; one that is refused for lack of places is told when to come',
  async (t) => {
    const { gate, waiting } = await opened(t, { requestsPerMinute: 1 }, answer, { LOOPGATE_QUEUE_MAX: '1' })
    await post(gate, asks(100))
    const second = new AbortController()
    const waits = fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      signal: second.signal,
      headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(asks(100)),
    }).catch(() => null)
    await waiting(1)
    const full = await post(gate, asks(100))
    t.equal(full.status, 429)
    t.match(full.json, { error: { code: 'queue_full' } })
    t.ok(Number(full.headers.get('retry-after-ms')) > 0)
    second.abort()
    await waits
    await waiting(0)
  },
)

t.test('fifty equal calls wait in one place, and one call is made for all', async (t) => {
  const { clock, gate, waiting, upstream } = await opened(t, { requestsPerMinute: 10 }, answer)
  for (let n = 0; n < 10; n++) await post(gate, asks(100))
  const same = Array.from({ length: 50 }, (_, n) => post(gate, asks(100, { seed: 7, stream: n % 2 === 1 })))
  await waiting(1)
  await until(async () => (await metric(gate, 'loopgate_flights')) === 1, SOON_MS)
  clock.advance(7000)
  for (const reply of await Promise.all(same)) t.equal(reply.status, 200)
  t.equal(upstream.calls.length, 11)
})

t.test(
  'who streams and waits gets a comment every ten seconds, and then its answer or its error in band',
  async (t) => {
    const stream = (call: ScratchCall): unknown => {
      const chunk = { id: 'c', model: MODEL, choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }] }
      return beginStream(call).end(`data: ${JSON.stringify({ ...chunk, usage: USAGE })}\n\ndata: [DONE]\n\n`)
    }
    const { clock, gate, waiting } = await opened(t, { requestsPerMinute: 2 }, stream)
    for (let n = 0; n < 2; n++) await post(gate, asks(100, { stream: true }))
    const reading = post(gate, asks(100, { stream: true }))
    await waiting(1)
    for (let n = 0; n < 4; n++) clock.advance(10_000)
    const { text, status } = await reading
    t.equal(status, 200)
    t.match(text, /^(: waiting\n\n)+data: .*Hi.*\n\ndata: \[DONE\]/)

    // It could be served in time, but for a more urgent one that comes after it.
    const headers = { 'x-loopgate-deadline-ms': '25000', 'x-loopgate-priority': 'batch' }
    const late = post(gate, asks(100, { stream: true }), headers)
    await until(async () => (await metric(gate, 'loopgate_queue_depth{class="batch"}')) === 1, SOON_MS)
    const urgent = post(gate, asks(100, { stream: true }))
    await waiting(1)
    for (let n = 0; n < 3; n++) clock.advance(10_000)
    t.match((await urgent).text, /Hi/)
    const told = (await late).text
    t.match(told, /^(: waiting\n\n)+data: .*"finish_reason":"error".*"code":"deadline_exceeded"/)
    t.notMatch(told, '[DONE]')
  },
)

t.test('more urgent classes go first, and never above the ceiling of the key', async (t) => {
  const order: unknown[] = []
  const { clock, gate, upstream } = await opened(t, { requestsPerMinute: 6 }, (call) => {
    order.push(call.body['user'])
    answer(call)
  })
  for (let n = 0; n < 6; n++) await post(gate, asks(100))
  order.length = 0
  const all = (['batch', 'loop', 'interactive'] as const).map((priority) =>
    post(gate, asks(100, { user: priority }), { 'x-loopgate-priority': priority }),
  )
  for (const priority of ['batch', 'loop', 'interactive']) {
    await until(async () => (await metric(gate, `loopgate_queue_depth{class="${priority}"}`)) === 1, SOON_MS)
  }
  for (let n = 7; n <= 9; n++) {
    clock.advance(10_100)
    await until(() => upstream.calls.length === n, SOON_MS)
  }
  await Promise.all(all)
  t.strictSame(order, ['interactive', 'loop', 'batch'])
  const bad = await post(gate, asks(100), { 'x-loopgate-priority': 'urgent' })
  t.equal(bad.status, 400)
  t.match(bad.json, { error: { param: 'x-loopgate-priority' } })
})

t.test(
  'outputs get bounds that were learnt; what such a bound cuts off is generated again, and nobody sees it',
  async (t) => {
    let length = 100
    const { gate, upstream } = await opened(t, { tokensPerMinute: 100_000_000 }, (call) => {
      const bound = Number(call.body['max_completion_tokens'] ?? 16_384)
      const cut = length > bound
      const usage = { ...USAGE, completion_tokens: Math.min(length, bound) }
      answerJson(call, 200, document(usage, cut ? 'length' : 'stop', cut ? 'half' : 'whole'))
    })
    const boundOf = (serial: number) => upstream.calls[serial - 1]?.body['max_completion_tokens']
    for (let n = 0; n < 30; n++) await post(gate, QUESTION)
    t.equal(boundOf(30), undefined, 'too few were known')
    await post(gate, QUESTION)
    const learnt = Number(boundOf(31))
    t.ok(learnt >= 100 && learnt < 200, `${learnt}`)
    await post(gate, asks(50))
    t.equal(boundOf(32), 50, 'never above the bound of the caller')
    await post(gate, QUESTION, { 'x-loopgate-output-cap': 'none' })
    t.equal(boundOf(33), undefined, 'unless the caller does not want it')
    await post(gate, { ...QUESTION, n: 2 })
    t.equal(boundOf(34), undefined)

    length = 1000
    const shared = { ...QUESTION, seed: 1 }
    const long = await post(gate, shared)
    t.match(long.json, { choices: [{ finish_reason: 'stop', message: { content: 'whole' } }] })
    t.strictSame([boundOf(35), boundOf(36)], [learnt, undefined])
    t.equal(long.headers.get('x-loopgate-attempts'), '2')
    const hit = await post(gate, shared)
    t.equal(hit.headers.get('x-loopgate-cache'), 'hit', 'the bound is no part of the key')
    t.match(hit.json, { choices: [{ message: { content: 'whole' } }] })
    const own = await post(gate, asks(500))
    t.match(own.json, { choices: [{ finish_reason: 'length' }] }, "the caller's own bound may cut off")
    t.equal(await metric(gate, 'loopgate_output_reissued_total{tenant="acme"}'), 1)
    t.ok((await metric(gate, 'loopgate_output_tokens_total{tenant="acme",kind="saved"}')) > 16_000)
    t.equal(
      await metric(gate, 'loopgate_tokens_total{tenant="acme",source="upstream",kind="completion"}'),
      30 * 100 + 100 + 50 + 100 + 100 + (learnt + 1000) + 500,
      'what was thrown away was paid for too',
    )
  },
)

t.test('no bound is learnt while no limit is known, since it would save nothing', async (t) => {
  const { gate, upstream } = await opened(t, {}, answer)
  for (let n = 0; n < 40; n++) await post(gate, QUESTION)
  t.ok(upstream.calls.every(({ body }) => body['max_completion_tokens'] === undefined))
  t.ok(
    upstream.calls.every(({ text }) => text === JSON.stringify(QUESTION)),
    'and bodies pass as they came',
  )
})

t.test('where the account has service tiers, priorities are sent as such, unless the caller names one', async (t) => {
  const { gate, upstream } = await opened(t, {}, answer, { LOOPGATE_SERVICE_TIERS: 'true' })
  await post(gate, QUESTION)
  await post(gate, QUESTION, { 'x-loopgate-loop': 'l-1' })
  await post(gate, QUESTION, { 'x-loopgate-priority': 'batch' })
  await post(gate, { ...QUESTION, service_tier: 'auto' })
  t.strictSame(
    upstream.calls.map(({ body }) => body['service_tier']),
    ['priority', 'default', 'flex', 'auto'],
  )
})
