import { executionResultSchema, type ExecutionInput } from '@loopgate/contracts'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import t, { type Test } from 'tap'
import { send, series, until, type Reply } from './kit/http.ts'
import { attach, resultOf, type HandRunner } from './kit/runner.ts'

const REQUEST: ExecutionInput = { language: 'python', files: [{ path: 'main.py', content: 'print(1)' }] }

const run = (gw: TestGateway, over: Record<string, unknown> = {}, key = gw.apiKey): Promise<Reply> =>
  send(`${gw.url}/api/executions`, { key, body: { ...REQUEST, ...over } })

/** Takes the next execution offered, says that it runs, and ends it. */
async function serve(runner: HandRunner, stdout = ''): Promise<string> {
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId }, { type: 'result', leaseId, result: resultOf({ stdout }) })
  await runner.hear('ack')
  return leaseId
}

const metrics = async (gw: TestGateway): Promise<string> => (await send(`${gw.url}/metrics`)).text
/** Until so many executions wait for a slot. */
const waiting = (gw: TestGateway, count: number): Promise<true> =>
  until(async () => (series(await metrics(gw), 'loopgate_executions_waiting') === count ? true : undefined))

const fresh = (t: Test, env: Record<string, string> = {}): Promise<TestGateway> => gateway(t, { redis: null, env })

t.test(
  'an execution goes to a runner with all defaults filled in and comes back with what the runner measured',
  async (t) => {
    const gw = await fresh(t)
    const runner = await attach(t, gw)
    const reply = run(gw)
    const frame = await runner.hear('execute')
    t.match(frame.request, { ...REQUEST, stdin: '', isolation: 'process', limits: { wallMs: 10_000 } })
    t.ok(frame.deadlineMs > 10_000)
    runner.say({ type: 'accepted', leaseId: frame.leaseId })
    runner.say({ type: 'result', leaseId: frame.leaseId, result: resultOf({ stdout: '1\n', wallMs: 7 }) })
    const { status, json } = await reply
    t.equal(status, 200)
    const result = executionResultSchema.parse(json)
    t.match(result, { outcome: 'ok', stdout: '1\n', wallMs: 7, id: frame.executionId, runnerId: 'runner-1' })
    t.ok(result.queueMs >= 0 && result.queueMs < 10_000)
    t.equal((await runner.hear('ack')).leaseId, frame.leaseId)
    t.equal(series(await metrics(gw), 'loopgate_executions_total{outcome="ok"}'), 1)
  },
)

t.test('an execution waits for a runner to attach', async (t) => {
  const gw = await fresh(t)
  const reply = run(gw)
  await waiting(gw, 1)
  await serve(await attach(t, gw))
  t.equal((await reply).status, 200)
})

t.test('a preference for an asynchronous reply is not honoured, and the result comes all the same', async (t) => {
  const gw = await fresh(t)
  const runner = await attach(t, gw)
  const reply = send(`${gw.url}/api/executions`, {
    key: gw.apiKey,
    body: REQUEST,
    headers: { prefer: 'respond-async' },
  })
  await serve(runner)
  t.equal((await reply).status, 200)
  t.equal((await reply).headers.get('preference-applied'), null)
})

t.test('a runner gets no more than its slots, and the next as soon as one falls free', async (t) => {
  const gw = await fresh(t)
  const runner = await attach(t, gw, { slots: 2 })
  const replies = [run(gw), run(gw), run(gw)]
  const first = await runner.hear('execute')
  await runner.hear('execute')
  await waiting(gw, 1)
  t.strictSame(runner.unheard(), [])
  runner.say({ type: 'result', leaseId: first.leaseId, result: resultOf() })
  await runner.hear('execute')
  t.strictSame((await Promise.race(replies)).status, 200)
})

t.test('only a runner with the language gets the execution', async (t) => {
  const gw = await fresh(t)
  const python = await attach(t, gw, { runnerId: 'py' })
  const reply = run(gw, { language: 'javascript' })
  await waiting(gw, 1)
  await serve(await attach(t, gw, { runnerId: 'js', languages: [{ language: 'javascript', version: '24' }] }))
  t.equal(executionResultSchema.parse((await reply).json).runnerId, 'js')
  t.strictSame(python.unheard(), [])
})

t.test('a tier that no attached runner offers is refused at once, never run on another', async (t) => {
  const gw = await fresh(t)
  await attach(t, gw, { tiers: [] })
  const reply = await run(gw)
  t.equal(reply.status, 503)
  t.equal(reply.json['code'], 'LG_ISOLATION_UNAVAILABLE')
  t.ok(reply.headers.get('retry-after'))
})

t.test(
  'without a runner an execution fails at its deadline with LG_NO_RUNNER, with a full one as LG_EXECUTION_QUEUE_TIMEOUT',
  async (t) => {
    const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '60' })
    t.match(await run(gw), { status: 503, json: { code: 'LG_NO_RUNNER' } })
    const runner = await attach(t, gw, { slots: 1 })
    const running = run(gw)
    const { leaseId } = await runner.hear('execute')
    runner.say({ type: 'accepted', leaseId })
    t.match(await run(gw), { status: 503, json: { code: 'LG_EXECUTION_QUEUE_TIMEOUT' } })
    runner.say({ type: 'result', leaseId, result: resultOf() })
    t.equal((await running).status, 200, 'the deadline is for the wait, not for the run')
  },
)

t.test('a runner that neither accepts nor declines costs the wait, not for ever, and is told to stop', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '60' })
  const runner = await attach(t, gw)
  const reply = run(gw)
  const { leaseId } = await runner.hear('execute')
  t.equal((await reply).json['code'], 'LG_EXECUTION_QUEUE_TIMEOUT')
  t.equal((await runner.hear('cancel')).leaseId, leaseId)
})

t.test('no more than the allowed number may wait, and none need wait where a slot is free', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MAX: '0' })
  t.match(await run(gw), { status: 503, json: { code: 'LG_EXECUTION_QUEUE_FULL' } })
  const runner = await attach(t, gw)
  const reply = run(gw)
  await serve(runner)
  t.equal((await reply).status, 200)
})

t.test('busy sends the execution to another runner, and back to the same once it has room', async (t) => {
  const gw = await fresh(t)
  const full = await attach(t, gw, { runnerId: 'full' })
  const reply = run(gw)
  const offered = await full.hear('execute')
  const other = await attach(t, gw, { runnerId: 'other' })
  full.say({ type: 'busy', leaseId: offered.leaseId })
  await serve(other)
  t.equal(executionResultSchema.parse((await reply).json).runnerId, 'other')
  other.crash()

  const again = run(gw)
  for (let refusals = 0; refusals < 3; refusals += 1) {
    full.say({ type: 'busy', leaseId: (await full.hear('execute')).leaseId })
  }
  await serve(full)
  t.equal((await again).status, 200)
})

t.test('a runner lost in the middle costs the caller nothing: another runs it, under a new lease', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first' })
  const reply = run(gw)
  const { leaseId, executionId } = await first.hear('execute')
  first.say({ type: 'accepted', leaseId })
  first.crash()
  await waiting(gw, 1)
  const second = await attach(t, gw, { runnerId: 'second' })
  const frame = await second.hear('execute')
  t.equal(frame.executionId, executionId)
  t.not(frame.leaseId, leaseId)
  second.say({ type: 'result', leaseId: frame.leaseId, result: resultOf({ stdout: 'second' }) })
  t.match((await reply).json, { stdout: 'second', runnerId: 'second' })
})

t.test('an execution that loses two runners is given up', async (t) => {
  const gw = await fresh(t)
  const reply = run(gw)
  for (const runnerId of ['one', 'two']) {
    const runner = await attach(t, gw, { runnerId })
    const { leaseId } = await runner.hear('execute')
    runner.say({ type: 'accepted', leaseId })
    runner.crash()
  }
  t.match(await reply, { status: 503, json: { code: 'LG_RUNNER_LOST', retryable: true } })
})

t.test('a late result under an old lease is acked and dropped; the new one counts', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first' })
  const reply = run(gw)
  const old = await first.hear('execute')
  first.crash()
  const second = await attach(t, gw, { runnerId: 'second' })
  const frame = await second.hear('execute')
  const back = await attach(t, gw, { runnerId: 'first' })
  back.say({ type: 'result', leaseId: old.leaseId, result: resultOf({ stdout: 'late' }) })
  t.equal((await back.hear('ack')).leaseId, old.leaseId)
  second.say({ type: 'result', leaseId: frame.leaseId, result: resultOf({ stdout: 'right' }) })
  t.match((await reply).json, { stdout: 'right', runnerId: 'second' })
  t.equal(series(await metrics(gw), 'loopgate_execution_late_results_total'), 1)
})

t.test('a result computed during a short cut counts if nobody else has the execution', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first', slots: 1 })
  const reply = run(gw)
  const { leaseId } = await first.hear('execute')
  first.crash()
  await waiting(gw, 1)
  const back = await attach(t, gw, { runnerId: 'first', slots: 1 })
  back.say({ type: 'result', leaseId, result: resultOf({ stdout: 'kept' }) })
  t.match((await reply).json, { stdout: 'kept', runnerId: 'first' })
  t.strictSame(
    back.unheard().filter(({ type }) => type === 'execute'),
    [],
    'and it does not run a second time',
  )
})

t.test('a runner that comes back without a result gets the execution anew', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first', slots: 1 })
  const reply = run(gw)
  await first.hear('execute')
  first.crash()
  await waiting(gw, 1)
  await serve(await attach(t, gw, { runnerId: 'first', slots: 1 }), 'anew')
  t.match((await reply).json, { stdout: 'anew' })
})

t.test("no runner can end another runner's execution", async (t) => {
  const gw = await fresh(t)
  const honest = await attach(t, gw, { runnerId: 'honest' })
  const reply = run(gw)
  const { leaseId } = await honest.hear('execute')
  const thief = await attach(t, gw, { runnerId: 'thief' })
  thief.say({ type: 'busy', leaseId }, { type: 'result', leaseId, result: resultOf({ stdout: 'forged' }) })
  await thief.hear('ack')
  honest.say({ type: 'result', leaseId, result: resultOf({ stdout: 'true' }) })
  t.match((await reply).json, { stdout: 'true' })
})

t.test('a caller who leaves is taken out of the queue, or its execution is cancelled', async (t) => {
  const gw = await fresh(t)
  const leave = new AbortController()
  const gone = (signal: AbortSignal): Promise<unknown> =>
    send(`${gw.url}/api/executions`, { key: gw.apiKey, body: REQUEST, signal }).catch(() => 'left')
  const queued = gone(leave.signal)
  await waiting(gw, 1)
  leave.abort()
  t.equal(await queued, 'left')
  await waiting(gw, 0)

  const runner = await attach(t, gw, { slots: 1 })
  const stop = new AbortController()
  const running = gone(stop.signal)
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId })
  stop.abort()
  t.equal(await running, 'left')
  t.equal((await runner.hear('cancel')).leaseId, leaseId)

  const next = run(gw)
  await waiting(gw, 1)
  t.strictSame(runner.unheard(), [], 'its slot is taken until the runner says that the execution has ended')
  runner.say({ type: 'result', leaseId, result: resultOf({}, 'killed') })
  await serve(runner)
  t.equal((await next).status, 200)
  const text = await metrics(gw)
  t.equal(series(text, 'loopgate_execution_errors_total{code="LG_CLIENT_CLOSED"}'), 2)
  t.equal(series(text, 'loopgate_http_requests_total{route="/api/executions",method="POST",status="499"}'), 2)
})

t.test("one tenant's long line does not hold up another's single execution", async (t) => {
  const gw = await fresh(t)
  const many = Array.from({ length: 30 }, () => run(gw, { stdin: 'acme' }))
  await waiting(gw, 30)
  const one = run(gw, { stdin: 'globex' }, gw.otherTenantKey)
  await waiting(gw, 31)
  const runner = await attach(t, gw, { slots: 1 })
  const order: string[] = []
  for (let count = 0; count < 31; count += 1) {
    const { leaseId, request } = await runner.hear('execute')
    order.push(request.stdin)
    runner.say({ type: 'result', leaseId, result: resultOf() })
  }
  t.ok(order.indexOf('globex') <= 1, `it came at place ${order.indexOf('globex')}`)
  t.equal((await one).status, 200)
  t.ok((await Promise.all(many)).every(({ status }) => status === 200))
})

t.test('a line of python does not hold up javascript, nor the other way round', async (t) => {
  const gw = await fresh(t)
  const both = [
    { language: 'python' as const, version: '3' },
    { language: 'javascript' as const, version: '24' },
  ]
  const replies = Array.from({ length: 6 }, () => run(gw))
  await waiting(gw, 6)
  replies.push(run(gw, { language: 'javascript' }))
  await waiting(gw, 7)
  const runner = await attach(t, gw, { slots: 1, languages: both })
  const order: string[] = []
  for (let count = 0; count < 7; count += 1) {
    const { leaseId, request } = await runner.hear('execute')
    order.push(request.language)
    runner.say({ type: 'result', leaseId, result: resultOf() })
  }
  t.ok(order.indexOf('javascript') <= 1, order.join(' '))
  await Promise.all(replies)
})

t.test('a draining runner ends what it has and gets nothing new', async (t) => {
  const gw = await fresh(t)
  const leaving = await attach(t, gw, { runnerId: 'leaving', slots: 5 })
  const first = run(gw)
  const { leaseId } = await leaving.hear('execute')
  leaving.say({ type: 'accepted', leaseId }, { type: 'draining' })
  await until(async () => (series(await metrics(gw), 'loopgate_runners{state="draining"}') === 1 ? true : undefined))
  const second = run(gw)
  await waiting(gw, 1)
  leaving.say({ type: 'result', leaseId, result: resultOf() })
  t.equal((await first).status, 200)
  const staying = await attach(t, gw, { runnerId: 'staying' })
  await serve(staying)
  t.equal(executionResultSchema.parse((await second).json).runnerId, 'staying')
})

t.test('work spreads over the runners by their load', async (t) => {
  const gw = await fresh(t)
  const small = await attach(t, gw, { runnerId: 'small', slots: 4 })
  const large = await attach(t, gw, { runnerId: 'large', slots: 40 })
  const replies = Array.from({ length: 22 }, () => run(gw))
  const got = (runner: HandRunner): number => runner.unheard().filter(({ type }) => type === 'execute').length
  await until(() => (got(small) + got(large) === 22 ? true : undefined))
  t.ok(got(small) <= 4, `small got ${got(small)}`)
  t.ok(got(large) >= 18, `large got ${got(large)}`)
  await serveAll([small, large], 22)
  t.ok((await Promise.all(replies)).every(({ status }) => status === 200))
})

async function serveAll(runners: HandRunner[], total: number): Promise<void> {
  let served = 0
  for (const runner of runners) {
    for (const frame of runner.unheard()) {
      if (frame.type !== 'execute' || served === total) continue
      served += 1
      await serve(runner)
    }
  }
}

t.test('a closing gateway lets a running execution end and refuses one that waits', async (t) => {
  const gw = await fresh(t)
  const runner = await attach(t, gw, { slots: 1 })
  const running = run(gw)
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId })
  const queued = run(gw)
  await waiting(gw, 1)
  const closed = gw.app.close()
  t.match(await queued, { status: 503, json: { code: 'LG_DRAINING' } })
  await runner.hear('drain')
  runner.say({ type: 'result', leaseId, result: resultOf({ stdout: 'to the end' }) })
  t.match((await running).json, { stdout: 'to the end' })
  t.equal((await runner.hear('ack')).leaseId, leaseId, 'so the runner need not bring it again')
  t.match(await runner.closed, { code: 4503 })
  await closed
})
