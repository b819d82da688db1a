import { once } from 'node:events'
import type { LoopState } from '@loopgate/contracts'
import t from 'tap'
import { MAX_BARREN_ACQUIRES } from '../src/slice/run-slice.ts'
import type { Call } from './fake-gateway.ts'
import { ACME, harness, loop, passing, startWorker } from './harness.ts'

t.test('a loop is run to its first pass, in slices of any length, with its events in order', async (t) => {
  const setting = await harness(t, passing('a goal#5'))
  const { registry } = await startWorker(t, setting, { sliceMs: 1 })
  const id = await setting.create(loop())
  const view = await setting.until(id)
  t.match(view, {
    state: 'accepted',
    reason: 'iteration 6 passes every check',
    accepted: { iteration: 6, sampleIndex: 5, code: 'a goal#5' },
    counts: { iterations: 6, waves: 2, duplicates: 0, executions: 6, tokens: 6 * 70, generations: { miss: 6 } },
  })
  const events = await setting.events(id)
  t.strictSame(
    events.map(({ seq, event }) => [seq, event.type === 'state' ? event.state : event.type]),
    ['queued', 'running', ...Array.from({ length: 6 }, () => 'iteration'), 'accepted', 'accepted'].map(
      (what, index) => [index + 1, what],
    ),
  )
  const metrics = await registry.metrics()
  t.match(metrics, 'loopgate_worker_iterations_total{verdict="fail"} 5')
  t.match(metrics, 'loopgate_worker_slices_active')
})

t.test('calls carry the sample index, the loop and the key', async (t) => {
  const setting = await harness(t, passing())
  await startWorker(t, setting)
  const id = await setting.create(loop({ budget: { iterations: 3 } }))
  await setting.until(id)
  const generations = setting.gateway.calls.filter(({ kind }) => kind === 'generate')
  t.strictSame(
    generations.map(({ sampleIndex }) => sampleIndex).sort((a, b) => a - b),
    [0, 1, 2],
  )
  for (const { headers, sampleIndex } of generations) {
    t.match(headers, { 'x-loopgate-sample': String(sampleIndex), 'x-loopgate-loop': id })
  }
})

t.test('a repeated candidate is not executed again', async (t) => {
  const setting = await harness(t, { answer: (_, index) => `same#${index % 2}`, passes: () => false })
  await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop()))
  t.match(view, { state: 'exhausted', counts: { iterations: 8, duplicates: 6, executions: 2 } })
  t.equal(setting.gateway.calls.filter(({ kind }) => kind === 'execute').length, 2)
})

t.test('faults of upstream and sandbox are tried again and change nothing', async (t) => {
  const setting = await harness(t, passing('a goal#6'))
  const tried = new Map<string, number>()
  setting.gateway.interfere = ({ kind, sampleIndex, code }) => {
    const key = kind + sampleIndex + code
    tried.set(key, (tried.get(key) ?? 0) + 1)
    return (tried.get(key) ?? 0) <= 2 ? (kind === 'generate' ? 429 : 503) : null
  }
  const { registry } = await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop()))
  t.match(view, { state: 'accepted', accepted: { iteration: 7 }, counts: { iterations: 7 } })
  t.match(await registry.metrics(), 'loopgate_worker_faults_total{stage="execute",code="LG_TEST_503"}')
})

t.test('a gateway that keeps failing pauses the loop with the reason; resumed, it goes on', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  setting.gateway.interfere = () => 503
  await startWorker(t, setting)
  const id = await setting.create(loop())
  const paused = await setting.until(id, new Set<LoopState>(['paused']))
  t.match(paused, { reason: /generation failed 5 times in a row: 503 LG_TEST_503/, counts: { iterations: 0 } })
  setting.gateway.interfere = () => null
  await setting.store.resume(id)
  await setting.producer.enqueue(id)
  t.match(await setting.until(id), { state: 'accepted', reason: 'iteration 2 passes every check' })
})

t.test('a loop resumed in the very moment it pauses is run again', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  setting.gateway.interfere = () => 503
  await startWorker(t, setting)
  const { loop: created } = await setting.store.create(ACME, loop())
  const resumed = new Promise<void>((resolve, reject) => {
    const hear = async (state: LoopState | undefined): Promise<void> => {
      if (state !== 'paused') return
      setting.gateway.interfere = () => null
      await setting.store.resume(created.id)
      await setting.producer.enqueue(created.id)
      resolve()
    }
    setting.store.onEvents(created.id, (notice) => void hear(notice?.state).catch(reject)).catch(reject)
  })
  await setting.producer.enqueue(created.id)
  await resumed
  t.match(await setting.until(created.id), { state: 'accepted' })
})

t.test('a paused loop is tried again by itself after a rest', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  let refuse = true
  setting.gateway.interfere = () => (refuse ? 503 : null)
  await startWorker(t, setting, { sweepMs: 10, resumePausedMs: 0 })
  const id = await setting.create(loop())
  await setting.until(id, new Set<LoopState>(['paused']))
  refuse = false
  t.match(await setting.until(id), { state: 'accepted' })
})

t.test('a loop that nobody enqueued is found and run', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  const { loop: created } = await setting.store.create(ACME, loop())
  await startWorker(t, setting, { sweepMs: 10 })
  t.match(await setting.until(created.id), { state: 'accepted' })
})

t.test('a loop that was started again and again without judging anything is given up', async (t) => {
  const setting = await harness(t, passing())
  const { loop: created } = await setting.store.create(ACME, loop())
  for (let start = 0; start < MAX_BARREN_ACQUIRES; start += 1) await setting.store.acquire(created.id)
  await startWorker(t, setting)
  await setting.producer.enqueue(created.id)
  t.match(await setting.until(created.id), { state: 'failed', reason: /started 20 times without judging/ })
  t.equal(setting.gateway.calls.length, 0)
})

t.test('a request that the gateway refuses for good fails the loop', async (t) => {
  const setting = await harness(t, passing())
  setting.gateway.interfere = () => 404
  await startWorker(t, setting)
  t.match(await setting.until(await setting.create(loop())), {
    state: 'failed',
    reason: 'generation refused: 404 LG_TEST_404: by the test',
  })
})

t.test("a refused service key is the operator's to mend: the loop pauses", async (t) => {
  const setting = await harness(t, passing())
  setting.gateway.interfere = () => 401
  await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop()), new Set<LoopState>(['paused', 'failed']))
  t.equal(view.state, 'paused')
  t.notMatch(JSON.stringify(await setting.events(view.id)), setting.gateway.apiKey)
})

t.test('a candidate too large for the gateway fails; the loop goes on', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  setting.gateway.interfere = ({ code }) => (code === 'a goal#0' ? 413 : null)
  await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop()))
  t.match(view, { state: 'accepted', accepted: { iteration: 2 } })
})

t.test('cancelling a running loop gives up its calls and ends it', async (t) => {
  const setting = await harness(t, passing())
  setting.gateway.interfere = ({ kind }) => (kind === 'execute' ? 'hold' : null)
  await startWorker(t, setting)
  const { events } = setting.gateway
  const executing = new Promise<void>((resolve) => {
    events.on('call', ({ kind }: Call) => kind === 'execute' && resolve())
  })
  const id = await setting.create(loop({ sampling: { model: 'm', fanOut: 1 } }))
  await executing
  const cut = once(events, 'closed') as Promise<[Call]>
  t.match(await setting.store.cancel(id), { state: 'stopping' })
  t.match(await setting.until(id), { state: 'cancelled', reason: 'cancelled by request' })
  t.equal((await cut)[0].kind, 'execute', 'the gateway sees the execution given up')
})

t.test('at the end of its seconds a loop ends, whatever it waits for', async (t) => {
  const setting = await harness(t, passing())
  setting.gateway.interfere = () => 'hold'
  await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop({ budget: { seconds: 5 } })))
  t.match(view, { state: 'exhausted', reason: 'the budget of 5 seconds is spent' })
})

t.test('a budget of more seconds than a timer can hold does not end the loop at once', async (t) => {
  const setting = await harness(t, passing('a goal#1'))
  await startWorker(t, setting)
  const view = await setting.until(await setting.create(loop({ budget: { seconds: 1e9 } })))
  t.equal(view.state, 'accepted')
})

t.test('a worker that closes finishes the wave and hands the loop on', async (t) => {
  const setting = await harness(t, passing('a goal#6'))
  const first = await startWorker(t, setting)
  const executing = new Promise<void>((resolve) => {
    setting.gateway.events.on('call', ({ kind }: Call) => kind === 'execute' && resolve())
  })
  const id = await setting.create(loop())
  await executing
  await first.close()
  const between = await setting.store.get(id)
  t.match(between?.view, { state: 'running', counts: { iterations: 4, waves: 1 } })
  await startWorker(t, setting)
  t.match(await setting.until(id), { state: 'accepted', accepted: { iteration: 7 } })
  t.strictSame(
    [...setting.gateway.paid.values()].filter((times) => times > 1),
    [],
  )
})
