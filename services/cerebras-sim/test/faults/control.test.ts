import t from 'tap'
import type { FaultSpec } from '../../src/app.ts'
import { faultSpec } from '../../src/faults/spec.ts'
import { ask, kit, type Kit } from '../kit.ts'

const set = ({ app }: Kit, payload: unknown) =>
  app.inject({
    method: 'POST',
    url: '/__sim/faults',
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(payload),
  })
const statusOf = async ({ chat }: Kit, model = 'gpt-oss-120b') => (await chat(ask('hi', { model }))).statusCode

t.test('a fault with a count meets that many requests, one without meets all until cleared', async (t) => {
  const sim = kit(t)
  const twice: FaultSpec = { kind: 'server_error', count: 2 }
  t.equal((await set(sim, twice)).statusCode, 200)
  t.strictSame([await statusOf(sim), await statusOf(sim), await statusOf(sim)], [500, 500, 200])
  await set(sim, { kind: 'unavailable' })
  t.strictSame([await statusOf(sim), await statusOf(sim), await statusOf(sim)], [503, 503, 503])
  const cleared = await sim.app.inject({ method: 'DELETE', url: '/__sim/faults' })
  t.strictSame(cleared.json(), { faults: [] })
  t.equal(await statusOf(sim), 200)
})

t.test('faults come in the order they were set, and what is left is told', async (t) => {
  const sim = kit(t)
  await set(sim, [
    { kind: 'payment_required', count: 1 },
    { kind: 'server_error', count: 2 },
  ])
  await set(sim, { kind: 'queue_exceeded', count: 1 })
  t.strictSame([await statusOf(sim), await statusOf(sim)], [402, 500])
  t.match((await sim.get('/__sim/faults')).json(), {
    faults: [
      { kind: 'server_error', count: 1 },
      { kind: 'queue_exceeded', count: 1 },
    ],
  })
  t.strictSame([await statusOf(sim), await statusOf(sim), await statusOf(sim)], [500, 429, 200])
})

t.test('a fault for one model leaves the others alone', async (t) => {
  const sim = kit(t)
  await set(sim, { kind: 'server_error', model: 'gemma-4-31b' })
  t.strictSame([await statusOf(sim), await statusOf(sim, 'gemma-4-31b')], [200, 500])
})

t.test('a fault for one organisation leaves the others alone', async (t) => {
  const sim = kit(t)
  await set(sim, { kind: 'payment_required', organisation: 'globex' })
  const ofGlobex = { authorization: 'Bearer csk-globex-1' }
  t.strictSame([await statusOf(sim), (await sim.chat(ask('hi'), ofGlobex)).statusCode], [200, 402])
})

t.test('a request that is refused anyway uses up no fault', async (t) => {
  const sim = kit(t)
  await set(sim, { kind: 'server_error', count: 1 })
  t.equal((await sim.chat(ask('hi', { store: true }))).statusCode, 400)
  t.equal((await sim.chat(ask('hi', { model: 'foo' }))).statusCode, 404)
  t.equal(await statusOf(sim), 500)
})

t.test('a request’s own header comes before the faults that are set, and uses none of them up', async (t) => {
  const sim = kit(t)
  await set(sim, { kind: 'server_error', count: 1 })
  t.equal((await sim.chat(ask('hi'), { 'x-sim-fault': 'payment_required' })).statusCode, 402)
  t.equal(await statusOf(sim), 500)
})

t.test('faults can be configured from the start', async (t) => {
  const sim = kit(t, { faults: [faultSpec.parse({ kind: 'bad_gateway', count: 1 })] })
  t.strictSame([await statusOf(sim), await statusOf(sim)], [502, 200])
})

t.test('what is no fault is a 400 that names the field', async (t) => {
  const sim = kit(t)
  for (const [payload, path] of [
    [{}, 'kind'],
    [{ kind: 'explode' }, 'kind'],
    [{ kind: 'cut', count: 0 }, 'count'],
    [{ kind: 'cut', afterChunks: -1 }, 'afterChunks'],
    [{ kind: 'stall', delayMs: 'long' }, 'delayMs'],
    [{ kind: 'token_quota_exceeded', window: 'week' }, 'window'],
    [{ kind: 'cut', oops: 1 }, ''],
    [[{ kind: 'cut' }, { kind: 'no' }], '1.kind'],
    [[], ''],
    ['cut', ''],
  ] as const) {
    const reply = await set(sim, payload)
    t.equal(reply.statusCode, 400, JSON.stringify(payload))
    t.equal(reply.json().error.issues[0].path, path)
  }
  t.equal((await sim.app.inject({ method: 'POST', url: '/__sim/faults', payload: 'x' })).statusCode, 415)
  t.strictSame((await sim.get('/__sim/faults')).json(), { faults: [] })
  for (const header of ['explode', 'cut;count=0', 'cut;oops=1']) {
    t.equal((await sim.chat(ask('hi'), { 'x-sim-fault': header })).statusCode, 400, header)
  }
})
