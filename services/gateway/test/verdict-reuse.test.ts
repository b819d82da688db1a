import type { ExecutionResult } from '@loopgate/contracts'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { runner } from '@loopgate/testkit/runner'
import t, { type Test } from 'tap'
import { metrics, REQUEST } from './kit/executions.ts'
import { send, series, until, type Reply } from './kit/http.ts'
import { noSandboxes } from './kit/real-runner.ts'
import { attach, resultOf, type HandRunner } from './kit/runner.ts'

const skip = await noSandboxes(t)

const CHECKED = {
  language: 'python',
  files: [{ path: 'main.py', content: 'def add(a, b):\n    return a + b\n' }],
  checks: [{ id: 'adds', entryPoint: 'add', source: 'assert candidate(2, 3) == 5' }],
}
const record = {
  checkId: 'adds',
  verdict: 'fail',
  evidence: 'assert 6 == 5',
  calls: 1,
  answered: 1,
  candidateSha256: 'x',
  durationMs: 5,
} satisfies ExecutionResult['checks'][number]

type How = { readonly key?: string; readonly headers?: Record<string, string>; readonly body?: object }

const judge = (gw: TestGateway, { key = gw.apiKey, headers = {}, body = CHECKED }: How = {}): Promise<Reply> =>
  send(`${gw.url}/api/executions`, { key, body, headers })

const outcomeOf = ({ headers }: Reply): string | null => headers.get('x-loopgate-cache')

async function answer(hand: HandRunner, over: Partial<ExecutionResult> = {}): Promise<void> {
  const { leaseId } = await hand.hear('execute')
  hand.say({ type: 'result', leaseId, result: resultOf({ checks: [record], ...over }) })
  await hand.hear('ack')
}

/** A gateway, and a wait for a kept verdict with a text in it: its caller has it before it is kept. */
async function withStore(t: Test) {
  const store = await redis(t)
  const kept = (text: string): Promise<true> =>
    until(async () => {
      for (const key of await store.client.keys(`${store.keyPrefix}:verdicts:*`)) {
        if (!key.endsWith(':index') && (await store.client.get(key))?.includes(text)) return true
      }
      return undefined
    })
  return { gw: await gateway(t, { redis: store }), kept }
}

t.test('the second time a verdict is given with its evidence, and counts as no execution', async (t) => {
  const { gw, kept } = await withStore(t)
  const hand = await attach(t, gw)
  const first = judge(gw)
  await answer(hand)
  t.equal(outcomeOf(await first), 'miss')
  t.equal((await first).json['cached'], undefined)
  await kept('assert 6 == 5')
  const second = await judge(gw)
  t.equal(outcomeOf(second), 'hit')
  t.match(second.json, { checks: [{ verdict: 'fail', evidence: 'assert 6 == 5' }], queueMs: 0, cached: true })
  t.not(second.json['id'], (await first).json['id'])
  t.strictSame(hand.unheard(), [], 'no runner heard of it')
  const text = await metrics(gw)
  t.equal(series(text, 'loopgate_executions_total{outcome="ok"}'), 1)
  t.equal(series(text, 'loopgate_execution_checks_total{verdict="fail"}'), 1)
  t.equal(series(text, 'loopgate_verdict_lookups_total{result="hit"}'), 1)
})

t.test('no-cache runs it and keeps what comes, no-store does neither, and other tenants know nothing', async (t) => {
  const { gw, kept } = await withStore(t)
  const hand = await attach(t, gw)
  const unkept = judge(gw, { headers: { 'cache-control': 'no-store' } })
  await answer(hand)
  t.equal(outcomeOf(await unkept), 'bypass')
  const first = judge(gw)
  await answer(hand, { stdout: 'first' })
  t.equal(outcomeOf(await first), 'miss', 'nothing was kept of the one before')
  await kept('first')
  const renewed = judge(gw, { headers: { 'cache-control': 'no-cache' } })
  await answer(hand, { stdout: 'renewed' })
  t.equal(outcomeOf(await renewed), 'bypass')
  await kept('renewed')
  t.match((await judge(gw)).json, { cached: true, stdout: 'renewed' })
  const foreign = judge(gw, { key: gw.otherTenantKey })
  await answer(hand)
  t.equal(outcomeOf(await foreign), 'miss')
})

t.test('a batch opts out of known verdicts as a single execution does', async (t) => {
  const { gw, kept } = await withStore(t)
  const hand = await attach(t, gw)
  const batchWith = (headers: Record<string, string>): Promise<Reply> =>
    send(`${gw.url}/api/executions/batch`, { key: gw.apiKey, body: { executions: [CHECKED] }, headers })
  const first = batchWith({})
  await answer(hand, { stdout: 'first' })
  await first
  await kept('first')
  const ignored = batchWith({ 'cache-control': 'no-store' })
  await answer(hand, { stdout: 'unkept' })
  t.match((await ignored).text, 'unkept')
  t.match((await batchWith({})).text, /"stdout":"first".*"cached":true/)
  const renewed = batchWith({ 'cache-control': 'no-cache' })
  await answer(hand, { stdout: 'renewed' })
  t.match((await renewed).text, 'renewed')
  await kept('renewed')
  t.match((await batchWith({})).text, /"stdout":"renewed".*"cached":true/)
  t.strictSame(hand.unheard(), [], 'no runner heard of those that were known')
})

t.test('another version of the runtime on the runners makes every verdict unknown', async (t) => {
  const { gw, kept } = await withStore(t)
  const old = await attach(t, gw)
  const first = judge(gw)
  await answer(old)
  await first
  await kept('assert 6 == 5')
  t.equal((await judge(gw)).json['cached'], true)
  old.crash()
  const upgraded = await attach(t, gw, { runnerId: 'upgraded', languages: [{ language: 'python', version: '3.12' }] })
  await until(async () => {
    const { runners } = (await send(`${gw.url}/api/runners`, { key: gw.adminKey })).json as { runners: unknown[] }
    return runners.length === 1 ? true : undefined
  })
  const again = judge(gw)
  await answer(upgraded, { runtime: { language: 'python', version: '3.12' } })
  t.equal(outcomeOf(await again), 'miss')
})

t.test('a program without checks runs every time, and with the setting at 0 everything does', async (t) => {
  const gw = await gateway(t)
  const hand = await attach(t, gw)
  for (let count = 0; count < 2; count += 1) {
    const reply = judge(gw, { body: REQUEST })
    await answer(hand, { checks: [] })
    t.equal(outcomeOf(await reply), null)
  }
  const off = await gateway(t, { env: { LOOPGATE_VERDICT_TTL_SECONDS: '0' } })
  const other = await attach(t, off)
  for (let count = 0; count < 2; count += 1) {
    const reply = judge(off)
    await answer(other)
    t.equal((await reply).json['cached'], undefined)
  }
})

t.test('a real candidate is judged once, and known in a batch and asynchronously too', { skip }, async (t) => {
  const { gw, kept } = await withStore(t)
  await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: 1 })
  t.match((await judge(gw)).json, { outcome: 'ok', checks: [{ verdict: 'pass', calls: 1 }] })
  await kept('pass')
  t.match((await judge(gw)).json, { checks: [{ verdict: 'pass', calls: 1 }], cached: true })
  const body = { executions: [CHECKED, CHECKED] }
  const batch = await send(`${gw.url}/api/executions/batch`, { key: gw.apiKey, body })
  t.equal(batch.text.split('"cached":true').length - 1, 2)
  const later = await judge(gw, { headers: { prefer: 'respond-async' } })
  const place = `${gw.url}${later.headers.get('location') ?? ''}`
  const ended = await until(async () => {
    const { json } = await send(place, { key: gw.apiKey })
    return json['state'] === 'ended' ? json : undefined
  })
  t.match(ended, { result: { cached: true } })
})
