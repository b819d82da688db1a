import { executionResultSchema } from '@loopgate/contracts'
import t from 'tap'
import { REQUEST, run, serve, metrics, waiting, fresh } from './kit/executions.ts'
import { send, series, until } from './kit/http.ts'
import { attach, resultOf } from './kit/runner.ts'

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

t.test('a caller may be less patient than the operator, not more', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '600000' })
  const runner = await attach(t, gw, { slots: 1 })
  const running = run(gw)
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId })
  const patience = (ms: string, other = gw) => run(other, {}, other.apiKey, { 'x-loopgate-deadline-ms': ms })
  t.match(await patience('30'), { status: 503, json: { code: 'LG_EXECUTION_QUEUE_TIMEOUT' } })
  const batch = await send(`${gw.url}/api/executions/batch`, {
    key: gw.apiKey,
    body: { executions: [REQUEST] },
    headers: { 'x-loopgate-deadline-ms': '30' },
  })
  t.match(batch.text, 'LG_EXECUTION_QUEUE_TIMEOUT')
  t.match(await patience('soon'), { status: 400, json: { code: 'LG_BAD_REQUEST' } })
  t.match((await patience('soon')).json['detail'], 'x-loopgate-deadline-ms: expected a whole number of milliseconds')
  runner.say({ type: 'result', leaseId, result: resultOf() })
  t.equal((await running).status, 200)
  const hasty = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '60' })
  t.match(await patience('3600000', hasty), { status: 503, json: { code: 'LG_NO_RUNNER' } })
})

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

t.test('a request and a result that are larger than a message pass whole', async (t) => {
  const gw = await fresh(t)
  const runner = await attach(t, gw)
  const stdin = '\u20ac'.repeat(1_300_000)
  const reply = run(gw, { stdin })
  const { leaseId, request } = await runner.hear('execute')
  t.equal(request.stdin, stdin)
  runner.say({ type: 'result', leaseId, result: resultOf({ stdout: stdin }) })
  t.equal((await reply).json['stdout'], stdin)
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
