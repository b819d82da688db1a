import { executionEventSchema, type ExecutionEvent } from '@loopgate/contracts'
import { manualClock } from '@loopgate/testkit/clock'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { runner } from '@loopgate/testkit/runner'
import t, { type Test } from 'tap'
import { postStreamed, type StreamedReply } from './kit/events.ts'
import { fresh, metrics, REQUEST, waiting } from './kit/executions.ts'
import { send, series, until } from './kit/http.ts'
import { noSandboxes } from './kit/real-runner.ts'
import { attach, resultOf } from './kit/runner.ts'

const skip = await noSandboxes(t)

const follow = (t: Test, gw: TestGateway, over: Record<string, unknown> = {}): Promise<StreamedReply> =>
  postStreamed(t, `${gw.url}/api/executions`, {
    key: gw.apiKey,
    body: { ...REQUEST, ...over },
    headers: { accept: 'text/event-stream' },
  })

const nextEvent = async (reply: StreamedReply): Promise<ExecutionEvent> =>
  executionEventSchema.parse(await reply.next())

t.test('an execution is told from start to end, in numbered events', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw)
  const following = follow(t, gw)
  const { leaseId, executionId, output } = await hand.hear('execute')
  t.equal(output, true)
  hand.say({ type: 'accepted', leaseId })
  const reply = await following
  t.match(reply.contentType, /^text\/event-stream/)
  t.match(await nextEvent(reply), { type: 'start', seq: 1, id: executionId, runnerId: 'runner-1', attempt: 1 })
  hand.say({ type: 'output', leaseId, seq: 0, stream: 'stdout', text: 'one', skippedBytes: 0 })
  t.match(await nextEvent(reply), { type: 'data', seq: 2, stream: 'stdout', text: 'one', skippedBytes: 0 })
  hand.say({ type: 'output', leaseId, seq: 1, stream: 'stderr', text: 'two', skippedBytes: 7 })
  t.match(await nextEvent(reply), { type: 'data', seq: 3, stream: 'stderr', text: 'two', skippedBytes: 7 })
  hand.say({ type: 'result', leaseId, result: resultOf({ stdout: 'one' }) })
  t.match(await nextEvent(reply), { type: 'end', seq: 4, result: { stdout: 'one', id: executionId } })
  t.equal(await reply.next(), null)
})

t.test('an execution that nobody follows sends no output over the wire', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw)
  const reply = send(`${gw.url}/api/executions`, { key: gw.apiKey, body: REQUEST })
  const { leaseId, output } = await hand.hear('execute')
  t.equal(output, false)
  hand.say({ type: 'result', leaseId, result: resultOf() })
  t.equal((await reply).status, 200)
})

t.test('a fault before the first event has its own status, and a later one is the last event', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '80' })
  const refused = await send(`${gw.url}/api/executions`, {
    key: gw.apiKey,
    body: REQUEST,
    headers: { accept: 'text/event-stream' },
  })
  t.match(refused, { status: 503, json: { code: 'LG_NO_RUNNER' } })
  const hand = await attach(t, gw)
  const following = follow(t, gw)
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'accepted', leaseId })
  const reply = await following
  await reply.next()
  hand.crash()
  t.match(await nextEvent(reply), { type: 'error', seq: 2, error: { code: 'LG_NO_RUNNER', retryable: true } })
  t.equal(await reply.next(), null)
})

t.test('a second runner says start again, so that what the first had put out is forgotten', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first' })
  const following = follow(t, gw)
  const old = await first.hear('execute')
  first.say({ type: 'accepted', leaseId: old.leaseId })
  const reply = await following
  await reply.next()
  first.crash()
  const second = await attach(t, gw, { runnerId: 'second' })
  const { leaseId } = await second.hear('execute')
  second.say({ type: 'accepted', leaseId }, { type: 'result', leaseId, result: resultOf() })
  t.match(await nextEvent(reply), { type: 'start', seq: 2, runnerId: 'second', attempt: 2 })
  t.match(await nextEvent(reply), { type: 'end', seq: 3 })
})

t.test('a reader who leaves in the middle ends the execution', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw, { slots: 1 })
  const following = follow(t, gw)
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'accepted', leaseId })
  const reply = await following
  await reply.next()
  reply.leave()
  t.equal((await hand.hear('cancel')).leaseId, leaseId)
})

t.test('a reader who does not read loses output, is told how much, and gets the end whole', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw)
  const following = follow(t, gw)
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'accepted', leaseId })
  const reply = await following
  const text = 'x'.repeat(100_000)
  const pieces = 200
  for (let seq = 0; seq < pieces; seq += 1) {
    hand.say({ type: 'output', leaseId, seq, stream: 'stdout', text, skippedBytes: 0 })
  }
  hand.say({ type: 'result', leaseId, result: resultOf({ stdout: text }) })
  await hand.hear('ack')
  const events = (await reply.rest()).map((event) => executionEventSchema.parse(event))
  t.match(events.at(-1), { type: 'end', seq: events.length, result: { stdout: text } })
  const data = events.filter((event) => event.type === 'data')
  t.ok(data.length < pieces, `${data.length} of ${pieces} pieces came`)
})

t.test('a caller who waits is told that the stream lives', async (t) => {
  const clock = manualClock()
  const gw = await gateway(t, { redis: null }, { clock })
  const following = follow(t, gw)
  await waiting(gw, 1)
  clock.advance(10_000)
  const reply = await following
  t.equal(reply.status, 200, 'the comment has opened the stream')
  reply.leave()
})

t.test('a caller who leaves before anything has happened is taken out of the queue', async (t) => {
  const gw = await fresh(t)
  const left = new AbortController()
  const waits = send(`${gw.url}/api/executions`, {
    key: gw.apiKey,
    body: REQUEST,
    headers: { accept: 'text/event-stream' },
    signal: left.signal,
  }).catch(() => 'left')
  await waiting(gw, 1)
  left.abort()
  t.equal(await waits, 'left')
  await until(async () =>
    series(await metrics(gw), 'loopgate_execution_errors_total{code="LG_CLIENT_CLOSED"}') === 1 ? true : undefined,
  )
})

t.test('what a real program prints arrives before it ends', { skip }, async (t) => {
  const gw = await gateway(t, { redis: null })
  await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: 1 })
  const source = 'import sys, time\nprint("\\u20ac", flush=True)\ntime.sleep(60)'
  const reply = await follow(t, gw, { files: [{ path: 'main.py', content: source }] })
  t.match(await nextEvent(reply), { type: 'start' })
  t.match(await nextEvent(reply), { type: 'data', stream: 'stdout', text: '\u20ac\n' })
  reply.leave()
  // The slot comes back although the program would have slept for a minute.
  const next = await send(`${gw.url}/api/executions`, { key: gw.apiKey, body: REQUEST })
  t.match(next.json, { outcome: 'ok', stdout: '1\n' })
})
