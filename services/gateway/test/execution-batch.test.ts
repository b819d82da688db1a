import { BATCH_MAX, batchEventSchema, type BatchEvent } from '@loopgate/contracts'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { runner } from '@loopgate/testkit/runner'
import t, { type Test } from 'tap'
import { postStreamed, type StreamedReply } from './kit/events.ts'
import { fresh, metrics, REQUEST } from './kit/executions.ts'
import { send, series, until } from './kit/http.ts'
import { noSandboxes } from './kit/real-runner.ts'
import { attach, resultOf } from './kit/runner.ts'

const skip = await noSandboxes(t)

const batch = (
  t: Test,
  gw: TestGateway,
  executions: unknown[],
  headers: Record<string, string> = {},
): Promise<StreamedReply> =>
  postStreamed(t, `${gw.url}/api/executions/batch`, { key: gw.apiKey, body: { executions }, headers })

const nextItem = async (reply: StreamedReply): Promise<BatchEvent> => batchEventSchema.parse(await reply.next())

t.test('results come as they end, each with its place, and then the end', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw, { slots: 2 })
  const replying = batch(t, gw, [
    { ...REQUEST, stdin: 'slow' },
    { ...REQUEST, stdin: 'fast' },
  ])
  const frames = [await hand.hear('execute'), await hand.hear('execute')]
  const leaseOf = (stdin: string): string => frames.find(({ request }) => request.stdin === stdin)!.leaseId
  hand.say({ type: 'result', leaseId: leaseOf('fast'), result: resultOf({ stdout: 'fast' }) })
  const reply = await replying
  t.match(reply.contentType, /^application\/x-ndjson/)
  t.match(await nextItem(reply), { type: 'item', index: 1, result: { stdout: 'fast' } })
  hand.say({ type: 'result', leaseId: leaseOf('slow'), result: resultOf({ stdout: 'slow' }) })
  t.match(await nextItem(reply), { type: 'item', index: 0, result: { stdout: 'slow' } })
  t.match(await nextItem(reply), { type: 'end', count: 2 })
  t.equal(await reply.next(), null)
})

t.test('each item answers for itself: one that is not valid, one that nobody can run, one that runs', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '80' })
  const hand = await attach(t, gw)
  const replying = batch(t, gw, [{ ...REQUEST, limits: { wallMs: 1 } }, { ...REQUEST, language: 'cobol' }, REQUEST])
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'result', leaseId, result: resultOf() })
  const items = (await (await replying).rest()).map((item) => batchEventSchema.parse(item))
  const of = (index: number) => items.find((item) => item.type === 'item' && item.index === index)
  t.match(of(0), { error: { status: 400, code: 'LG_BAD_REQUEST', errors: [{ path: 'limits.wallMs' }] } })
  t.match(of(1), { error: { status: 503, code: 'LG_NO_RUNNER' } })
  t.match(of(2), { result: { outcome: 'ok' } })
  t.match(items.at(-1), { type: 'end', count: 3 })
})

t.test('as server-sent events for whoever asks for them', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw)
  const replying = batch(t, gw, [REQUEST], { accept: 'text/event-stream' })
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'result', leaseId, result: resultOf() })
  const reply = await replying
  t.match(reply.contentType, /^text\/event-stream/)
  t.match(await reply.rest(), [{ type: 'item', index: 0 }, { type: 'end' }])
})

t.test('whoever leaves takes the rest of the batch along', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw, { slots: 2 })
  const replying = batch(
    t,
    gw,
    Array.from({ length: 500 }, () => REQUEST),
  )
  const first = await hand.hear('execute')
  const second = await hand.hear('execute')
  hand.say({ type: 'result', leaseId: first.leaseId, result: resultOf() })
  const third = await hand.hear('execute')
  const reply = await replying
  reply.leave()
  const cancelled = [(await hand.hear('cancel')).leaseId, (await hand.hear('cancel')).leaseId]
  t.strictSame(cancelled.sort(), [second.leaseId, third.leaseId].sort())
  await until(async () => (series(await metrics(gw), 'loopgate_executions_waiting') === 0 ? true : undefined))
})

t.test('one batch does not hold up a single execution of another tenant', async (t) => {
  const gw = await fresh(t)
  const hand = await attach(t, gw, { slots: 1 })
  void batch(
    t,
    gw,
    Array.from({ length: 50 }, () => ({ ...REQUEST, stdin: 'batch' })),
  ).catch(() => {})
  const running = await hand.hear('execute')
  const one = send(`${gw.url}/api/executions`, { key: gw.otherTenantKey, body: { ...REQUEST, stdin: 'single' } })
  await until(async () => (series(await metrics(gw), 'loopgate_executions_waiting') === 50 ? true : undefined))
  hand.say({ type: 'result', leaseId: running.leaseId, result: resultOf() })
  const second = await hand.hear('execute')
  hand.say({ type: 'result', leaseId: second.leaseId, result: resultOf() })
  const third = await hand.hear('execute')
  t.ok([second, third].some(({ request }) => request.stdin === 'single'))
  hand.say({ type: 'result', leaseId: third.leaseId, result: resultOf() })
  t.equal((await one).status, 200)
})

t.test('an empty batch, one that is too long and one that is none are refused as a whole', async (t) => {
  const gw = await fresh(t)
  const post = (body: unknown) => send(`${gw.url}/api/executions/batch`, { key: gw.apiKey, body })
  for (const executions of [[], Array.from({ length: BATCH_MAX + 1 }, () => ({})), 'all', [7]]) {
    t.match(await post({ executions }), { status: 400, json: { code: 'LG_BAD_REQUEST' } })
  }
})

t.test('sixty real programs in one call, one of which breaks', { skip }, async (t) => {
  const gw = await gateway(t, { redis: null })
  await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: 4 })
  const program = (index: number) => ({
    language: 'python',
    files: [{ path: 'main.py', content: index === 7 ? 'raise SystemExit(3)' : `print(${index})` }],
  })
  const reply = await batch(
    t,
    gw,
    Array.from({ length: 60 }, (_, index) => program(index)),
  )
  const items = (await reply.rest()).map((item) => batchEventSchema.parse(item))
  t.equal(items.length, 61)
  for (const item of items) {
    if (item.type === 'end') continue
    const expected = item.index === 7 ? { outcome: 'runtime_error', exitCode: 3 } : { stdout: `${item.index}\n` }
    t.match(item.result, expected, `item ${item.index}`)
  }
})
