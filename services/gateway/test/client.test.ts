import { createClient } from '@loopgate/client'
import type { BatchEvent, ExecutionInput, LoopEvent, LoopInput } from '@loopgate/contracts'
import { connectRedis, createLoopStore } from '@loopgate/loop-store'
import { systemClock } from '@loopgate/service-kit'
import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import t from 'tap'
import { attach, resultOf } from './kit/runner.ts'

const shared = await redis(t)
const sim = await cerebrasSim(t)
const gw = await gateway(t, { redis: shared, upstreamUrl: sim.url, upstreamKey: sim.apiKey })
const client = createClient({ baseUrl: gw.url, apiKey: gw.apiKey })
const admin = createClient({ baseUrl: gw.url, apiKey: gw.adminKey })
const connection = connectRedis(shared.url, 'worker')
const store = createLoopStore({ redis: connection, clock: systemClock }, { keyPrefix: shared.keyPrefix })
t.teardown(async () => {
  await Promise.all([client.close(), admin.close(), store.close()])
  connection.disconnect()
})

const INPUT: LoopInput = {
  goal: 'g',
  language: 'python',
  checks: [{ id: 'c', entryPoint: 'f', source: 'pass' }],
  sampling: { model: 'gpt-oss-120b' },
  budget: { iterations: 3 },
}

t.test('a loop is created, followed to its end, read and listed through the client', async (t) => {
  const loop = await client.loops.create(INPUT)
  const seen: LoopEvent[] = []
  const followed = (async () => {
    for await (const event of client.loops.events(loop.id)) seen.push(event)
  })()
  const { fence } = (await store.acquire(loop.id))!
  const transition = { state: 'exhausted', reason: 'budget: iterations' } as const
  await store.commit(loop.id, fence, { iterations: [], waveEnd: 0, transition })
  await followed
  t.strictSame(
    seen.map(({ event }) => (event.type === 'state' ? event.state : event.type)),
    ['queued', 'running', 'exhausted'],
  )
  t.match(await client.loops.wait(loop.id), { state: 'exhausted', reason: 'budget: iterations' })
  t.strictSame(
    (await client.loops.list({ state: 'exhausted' })).loops.map(({ id }) => id),
    [loop.id],
  )
  const metrics = await client.metrics()
  t.equal(metrics.sum('loopgate_loops_total', { state: 'exhausted' }), 1)
})

t.test('a loop is cancelled through the client, and refusals come as errors with their code', async (t) => {
  const loop = await client.loops.create(INPUT)
  t.equal((await client.loops.cancel(loop.id)).state, 'cancelled')
  await t.rejects(client.loops.get('loop_none'), { status: 404, code: 'LG_NOT_FOUND' })
  await t.rejects(client.loops.create({ ...INPUT, budget: {} }), { status: 400, code: 'LG_BAD_REQUEST' })
  await t.rejects(client.runners.list(), { status: 403, code: 'LG_FORBIDDEN' })
})

t.test('an execution runs and a runner is listed through the client; a caller who aborts stops it', async (t) => {
  const runner = await attach(t, gw, { slots: 1 })
  t.match(await admin.runners.list(), [{ runnerId: 'runner-1', slots: 1 }])
  const input = { language: 'python', files: [{ path: 'a.py', content: '' }] } as const
  const running = client.executions.run({ ...input, files: [...input.files] })
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'result', leaseId, result: resultOf({ stdout: 'out' }) })
  t.equal((await running).stdout, 'out')

  const leave = new AbortController()
  const left = client.executions.run({ ...input, files: [...input.files] }, { signal: leave.signal })
  const offered = await runner.hear('execute')
  leave.abort()
  await t.rejects(left)
  t.equal((await runner.hear('cancel')).leaseId, offered.leaseId)
})

t.test('an execution is followed, a batch is run and a runner drained through the client', async (t) => {
  const hand = await attach(t, gw, { runnerId: 'followed', slots: 1 })
  const input: ExecutionInput = { language: 'python', files: [{ path: 'a.py', content: '' }] }
  const followed = (async () => {
    const types: string[] = []
    for await (const event of client.executions.follow(input)) types.push(event.type)
    return types
  })()
  const { leaseId } = await hand.hear('execute')
  hand.say(
    { type: 'accepted', leaseId },
    { type: 'output', leaseId, seq: 0, stream: 'stdout', text: 'x', skippedBytes: 0 },
    { type: 'result', leaseId, result: resultOf() },
  )
  t.strictSame(await followed, ['start', 'data', 'end'])

  const batch = (async () => {
    const seen: BatchEvent[] = []
    for await (const event of client.executions.batch([input, { ...input, files: [] }])) seen.push(event)
    return seen
  })()
  hand.say({
    type: 'result',
    leaseId: (await hand.hear('execute')).leaseId,
    result: resultOf({ stdout: 'in a batch' }),
  })
  const events = await batch
  t.match(events.at(-1), { type: 'end', count: 2 })
  t.match(
    events.slice(0, 2).sort((a, b) => Number(a.type === 'item' && a.index) - Number(b.type === 'item' && b.index)),
    [
      { index: 0, result: { stdout: 'in a batch' } },
      { index: 1, error: { code: 'LG_BAD_REQUEST' } },
    ],
  )

  const submitted = await client.executions.submit(input)
  hand.say({ type: 'result', leaseId: (await hand.hear('execute')).leaseId, result: resultOf({ stdout: 'later' }) })
  t.match(await client.executions.wait(submitted.id, { pollMs: 5 }), { state: 'ended', result: { stdout: 'later' } })
  t.match(await client.executions.cancel(submitted.id), { state: 'ended' })
  await t.rejects(client.executions.get('exec_none'), { status: 404, code: 'LG_NOT_FOUND' })

  const accepted = hand.hear('execute').then((frame) => hand.say({ type: 'accepted', leaseId: frame.leaseId }))
  for await (const event of client.executions.follow(input)) {
    t.equal(event.type, 'start')
    break
  }
  await accepted
  t.ok(await hand.hear('cancel'), 'whoever stops looking ends the execution')
  t.match(await admin.runners.drain('followed'), { state: 'draining' })
})

t.test('a chat is completed through the client, the second time from the cache', async (t) => {
  const body = { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'write a function' }], seed: 3 }
  const first = await client.completions.chat(body, { sampleIndex: 3 })
  t.equal(first.cache, 'miss')
  t.ok(first.body.choices[0]?.message.content)
  const second = await client.completions.chat(body, { sampleIndex: 3 })
  t.equal(second.cache, 'hit')
  t.strictSame(second.body, first.body)
  t.equal((await sim.stats()).requests, 1)
})

t.test('what is stored is seen, judged, explained and cleared through the client', async (t) => {
  const { requests } = await sim.stats()
  const body = { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'three samples' }], temperature: 0.8 }
  const chat = (sampleIndex: number) => client.completions.chat(body, { sampleIndex })
  const [, judged] = await Promise.all([0, 1, 2].map(chat))
  const key = judged?.key ?? ''
  t.match(await client.cache.judge(key, { verdict: 'pass', evaluator: 'tests' }), { verdict: 'pass' })
  t.match(await client.cache.entry(key), { sampleIndex: 1, verdict: { evaluator: 'tests' } })
  const best = { body, headers: { 'x-loopgate-sample': 'best' } }
  t.match(await client.cache.explain(best), { outcome: 'hit', key, sampleIndex: 1 })
  const stats = await client.cache.stats()
  t.match(stats.tenants, [{ tenant: 'acme', models: [{ model: 'gpt-oss-120b' }] }])
  await client.cache.remove(key)
  await t.rejects(client.cache.entry(key), { code: 'LG_NOT_FOUND' })
  await t.rejects(client.cache.purge({ tenant: 'globex' }), { code: 'LG_FORBIDDEN' })
  t.match(await client.cache.purge(), { tenant: 'acme', namespace: 1 })
  t.match(await client.cache.explain({ body, headers: { 'x-loopgate-sample': '0' } }), { outcome: 'miss' })
  t.equal((await sim.stats()).requests, requests + 3)
})
