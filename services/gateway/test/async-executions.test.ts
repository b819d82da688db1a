import { asyncExecutionSchema, type AsyncExecution, type AsyncState } from '@loopgate/contracts'
import { gateway, gatewayProcess, type TestGateway } from '@loopgate/testkit/gateway'
import { privateRedis, redis } from '@loopgate/testkit/redis'
import t from 'tap'
import { REQUEST, fresh, metrics, run, serve } from './kit/executions.ts'
import { send, series, until, type Reply } from './kit/http.ts'
import { attach, resultOf } from './kit/runner.ts'

type Door = Pick<TestGateway, 'url' | 'apiKey'>

const post = ({ url, apiKey }: Door, over: Record<string, unknown> = {}): Promise<Reply> =>
  send(`${url}/api/executions`, {
    key: apiKey,
    body: { ...REQUEST, ...over },
    headers: { prefer: 'respond-async, wait=10' },
  })
const accepted = async (gw: Door, over: Record<string, unknown> = {}): Promise<AsyncExecution> =>
  asyncExecutionSchema.parse((await post(gw, over)).json)
const read = async ({ url, apiKey }: Door, id: string): Promise<AsyncExecution> =>
  asyncExecutionSchema.parse((await send(`${url}/api/executions/${id}`, { key: apiKey })).json)
const cancel = ({ url, apiKey }: Door, id: string): Promise<Reply> =>
  send(`${url}/api/executions/${id}`, { method: 'DELETE', key: apiKey })
const inState = (gw: Door, id: string, state: AsyncState): Promise<AsyncExecution> =>
  until(async () => {
    const execution = await read(gw, id)
    return execution.state === state ? execution : undefined
  })

t.test('whoever prefers not to wait gets a place where the result will be', async (t) => {
  const gw = await gateway(t)
  const runner = await attach(t, gw)
  const reply = await post(gw)
  t.equal(reply.status, 202)
  t.equal(reply.headers.get('preference-applied'), 'respond-async')
  const execution = asyncExecutionSchema.parse(reply.json)
  t.equal(reply.headers.get('location'), `/api/executions/${execution.id}`)
  t.match(execution, { state: 'queued', result: null, error: null, startedAt: null })
  const { leaseId, executionId } = await runner.hear('execute')
  t.equal(executionId, execution.id, 'under the id that the caller knows')
  t.match(await read(gw, execution.id), { state: 'queued' }, 'until a runner has begun')
  runner.say({ type: 'accepted', leaseId })
  t.match(await inState(gw, execution.id, 'running'), { endedAt: null, result: null })
  runner.say({ type: 'result', leaseId, result: resultOf({ stdout: 'late but right' }) })
  const ended = await inState(gw, execution.id, 'ended')
  t.match(ended, { result: { stdout: 'late but right', id: execution.id }, error: null })
  t.ok(ended.startedAt !== null && ended.endedAt !== null && ended.startedAt <= ended.endedAt)
  t.equal(series(await metrics(gw), 'loopgate_async_executions_total{state="ended"}'), 1)
})

t.test('an execution is its tenant’s alone: for everybody else it is not there', async (t) => {
  const gw = await gateway(t)
  const { id } = await accepted(gw)
  const foreign = { url: gw.url, apiKey: gw.otherTenantKey }
  for (const door of [foreign, { url: gw.url, apiKey: gw.apiKey }]) {
    const of = door === foreign ? id : 'exec_0123456789abcdef01234567'
    const missing = { status: 404, json: { code: 'LG_NOT_FOUND', detail: 'There is no such execution' } }
    t.match(await send(`${gw.url}/api/executions/${of}`, { key: door.apiKey }), missing)
    t.match(await cancel(door, of), missing)
  }
  t.match(await send(`${gw.url}/api/executions/*`, { key: gw.apiKey }), { status: 404 })
  t.match(await read(gw, id), { state: 'queued' })
})

t.test('what waits is cancelled without ever running, what runs is killed, and what has ended stays', async (t) => {
  const gw = await gateway(t)
  const waiting = await accepted(gw)
  t.match((await cancel(gw, waiting.id)).json, { state: 'cancelled' })
  const running = await accepted(gw, { stdin: 'runs' })
  const runner = await attach(t, gw)
  const { leaseId, request } = await runner.hear('execute')
  t.equal(request.stdin, 'runs', 'the cancelled one is not given out')
  runner.say({ type: 'accepted', leaseId })
  t.match((await cancel(gw, running.id)).json, { state: 'cancelled', result: null })
  t.equal((await runner.hear('cancel')).leaseId, leaseId)
  runner.say({ type: 'result', leaseId, result: resultOf({ stdout: 'too late' }) })
  await runner.hear('ack')
  const third = await accepted(gw, { stdin: 'third' })
  await serve(runner)
  await inState(gw, third.id, 'ended')
  t.match((await cancel(gw, third.id)).json, { state: 'ended' })
  t.match(await read(gw, running.id), { state: 'cancelled', result: null })
  t.equal(series(await metrics(gw), 'loopgate_async_executions_total{state="cancelled"}'), 2)
})

t.test('an execution waits for a runner longer than a caller would', async (t) => {
  const gw = await gateway(t, { env: { LOOPGATE_EXECUTION_QUEUE_MS: '30' } })
  const { id } = await accepted(gw)
  await until(async () =>
    series(await metrics(gw), 'loopgate_execution_errors_total{code="LG_NO_RUNNER"}') > 0 ? true : undefined,
  )
  t.match(await read(gw, id), { state: 'queued', error: null })
  await serve(await attach(t, gw), 'at last')
  t.match(await inState(gw, id, 'ended'), { result: { stdout: 'at last' } })
})

t.test('an execution that ends without a result says why', async (t) => {
  const gw = await gateway(t)
  const { id } = await accepted(gw)
  for (const runnerId of ['one', 'two']) {
    const runner = await attach(t, gw, { runnerId })
    const { leaseId } = await runner.hear('execute')
    runner.say({ type: 'accepted', leaseId })
    runner.crash()
  }
  t.match(await inState(gw, id, 'failed'), {
    result: null,
    error: { code: 'LG_RUNNER_LOST', retryable: true, instance: id },
  })
})

t.test('without a Redis the preference is not honoured, and with one that is away it is refused', async (t) => {
  const without = await fresh(t)
  const runner = await attach(t, without)
  const reply = post(without)
  await serve(runner)
  t.equal((await reply).status, 200)
  t.equal((await reply).headers.get('preference-applied'), null)
  t.equal((await send(`${without.url}/api/executions/exec_1`, { key: without.apiKey })).status, 503)

  const store = await privateRedis(t)
  const gw = await gatewayProcess(t, { redis: { url: store.url, keyPrefix: 't' } })
  process.kill(store.pid, 'SIGKILL')
  await until(async () => ((await post(gw)).json['code'] === 'LG_STORE_UNAVAILABLE' ? true : undefined))
  const synchronous = run(gw)
  await serve(await attach(t, gw))
  t.equal((await synchronous).status, 200, 'whoever waits needs no Redis')
})

t.test('what may wait is bounded, in number and in size', async (t) => {
  const gw = await gateway(t, { env: { LOOPGATE_EXECUTION_QUEUE_MAX: '2', LOOPGATE_ASYNC_EXECUTIONS: '0' } })
  const { id } = await accepted(gw)
  await accepted(gw)
  t.match(await post(gw), { status: 503, json: { code: 'LG_EXECUTION_QUEUE_FULL' } })
  t.match(await post(gw, { stdin: 'x'.repeat(1024 * 1024) }), { status: 413, json: { code: 'LG_TOO_LARGE' } })
  t.match(await read(gw, id), { state: 'queued' }, 'a replica without a consumer takes nothing up')
  t.equal(series(await metrics(gw), 'loopgate_async_executions_queued'), 2)
})

t.test('jobs hold an id and nothing else, and a result is kept for its time', async (t) => {
  const store = await redis(t)
  const gw = await gateway(t, { redis: store, env: { LOOPGATE_EXECUTION_RESULT_TTL_SECONDS: '100' } })
  const { id } = await accepted(gw, { stdin: 'canary-of-the-body' })
  const texts: string[] = []
  for (const key of await store.client.keys(`*${store.keyPrefix}-queue*executions:*`)) {
    if ((await store.client.type(key)) === 'hash') texts.push(JSON.stringify(await store.client.hgetall(key)))
  }
  t.match(texts.join(), id)
  for (const secret of [gw.apiKey, gw.runnerToken, 'canary-of-the-body', 'acme']) t.notMatch(texts.join(), secret)
  await serve(await attach(t, gw))
  await inState(gw, id, 'ended')
  const key = `${store.keyPrefix}:executions:{${id}}`
  const leftMs = await store.client.pttl(key)
  t.ok(leftMs > 0 && leftMs <= 100_000, `${leftMs} ms`)
  t.equal(await store.client.hget(key, 'order'), null, 'what was run is not kept with its result')
})
