import t from 'tap'
import { ACME, accepted, iteration, request, stores } from './harness.ts'

t.test('a slice gets what the slice before committed, and a fence above its', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const first = await store.acquire(loop.id)
  t.match(first, { fence: 1, snapshot: { committed: 0, waveEnd: 0, promptTokens: 0, view: { state: 'running' } } })
  t.equal(first?.snapshot.seen.size, 0)
  await store.commit(loop.id, 1, {
    iterations: [
      iteration(1),
      iteration(2, { duplicateOf: 1, candidateSha256: 'sha-1', executed: false, cache: 'hit' }),
      iteration(3, { candidateSha256: 'refused', executed: false, outcome: 'compile_error' }),
      iteration(4, { fresh: true, executed: false }),
    ],
    waveEnd: 8,
  })
  const second = await store.acquire(loop.id)
  t.match(second, {
    fence: 2,
    snapshot: {
      tenant: 'acme',
      committed: 4,
      waveEnd: 8,
      promptTokens: 40,
      startedAtMs: first?.snapshot.startedAtMs,
      view: {
        state: 'running',
        counts: {
          iterations: 4,
          waves: 1,
          duplicates: 1,
          executions: 1,
          tokens: 200,
          generations: { hit: 1, miss: 3, coalesced: 0, bypass: 0 },
        },
      },
    },
  })
  t.strictSame(
    [...(second?.snapshot.seen ?? [])],
    [
      ['sha-1', { iteration: 1, outcome: 'ok', verdict: 'fail', evidence: 'no' }],
      ['sha-4', { iteration: 4, outcome: 'ok', verdict: 'fail', evidence: 'no' }],
    ],
    'a candidate whose verdict was known is remembered, though nothing was executed for it',
  )
})

t.test('a worker that was overtaken commits nothing, however it races', async (t) => {
  const { store, another } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const workers = [store, another(), another()]
  const held = await Promise.all(workers.map((worker) => worker.acquire(loop.id)))
  t.strictSame(new Set(held.map((each) => each?.fence)), new Set([1, 2, 3]))
  const results = await Promise.all(
    workers.map(async (worker, index) => {
      const fence = held[index]?.fence ?? 0
      const { result } = await worker.commit(loop.id, fence, { iterations: [iteration(1)], waveEnd: 4 })
      return [fence, result] as const
    }),
  )
  t.strictSame(
    results.toSorted(([a], [b]) => a - b).map(([, result]) => result),
    ['stale', 'stale', 'ok'],
  )
  t.match((await store.get(loop.id))?.view, { counts: { iterations: 1, tokens: 50 } })
})

t.test('a commit that is sent again changes nothing; one that overlaps adds what is new', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const fence = (await store.acquire(loop.id))?.fence ?? 0
  const commit = { iterations: [iteration(1), iteration(2)], waveEnd: 4 }
  t.strictSame(await store.commit(loop.id, fence, commit), { result: 'ok', state: 'running' })
  const before = await store.get(loop.id)
  const stats = await store.stats()
  t.strictSame(await store.commit(loop.id, fence, commit), { result: 'ok', state: 'running' })
  t.strictSame(await store.get(loop.id), before)
  t.strictSame(await store.stats(), stats)

  await store.commit(loop.id, fence, {
    iterations: [iteration(2), iteration(3, { verdict: 'pass' })],
    waveEnd: 4,
    transition: accepted(3),
  })
  const events = await store.eventsAfter(loop.id, 0, 100)
  t.strictSame(
    events.flatMap(({ event }) => (event.type === 'iteration' ? [event.record.iteration] : [])),
    [1, 2, 3],
  )
})

t.test('the end is written once: sent again it is acknowledged, anything else is refused', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const fence = (await store.acquire(loop.id))?.fence ?? 0
  const commit = { iterations: [iteration(1, { verdict: 'pass' })], waveEnd: 4, transition: accepted(1) }
  t.strictSame(await store.commit(loop.id, fence, commit), { result: 'ok', state: 'accepted' })
  const before = await store.get(loop.id)
  t.strictSame(await store.commit(loop.id, fence, commit), { result: 'ok', state: 'accepted' })
  t.strictSame(await store.commit(loop.id, fence, { iterations: [iteration(2)], waveEnd: 4 }), {
    result: 'ended',
    state: 'accepted',
  })
  t.strictSame(await store.get(loop.id), before)
  t.match(before?.view, { state: 'accepted', accepted: { iteration: 1, code: 'x = 1' }, counts: { iterations: 1 } })
  t.strictSame(
    (await store.eventsAfter(loop.id, 0, 10)).map(({ seq, event }) => [seq, event.type]),
    [
      [1, 'state'],
      [2, 'state'],
      [3, 'iteration'],
      [4, 'accepted'],
      [5, 'state'],
    ],
  )
  t.equal(await store.acquire(loop.id), null)
})

t.test('a commit that leaves an iteration out is a bug and is not written', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const fence = (await store.acquire(loop.id))?.fence ?? 0
  await t.rejects(store.commit(loop.id, fence, { iterations: [iteration(2)], waveEnd: 4 }), /leaves out/)
  await t.rejects(store.commit(loop.id, fence, { iterations: [iteration(1), iteration(3)], waveEnd: 4 }), /dense/)
  t.match((await store.get(loop.id))?.view, { counts: { iterations: 0 } })
})

t.test(
  'a queued or paused loop is cancelled at once, a running one by its worker, an ended one not at all',
  async (t) => {
    const { store } = await stores(t)
    const create = async () => (await store.create(ACME, request())).loop.id

    t.match(await store.cancel(await create()), { state: 'cancelled', reason: 'cancelled by request' })

    const paused = await create()
    const pausedFence = (await store.acquire(paused))?.fence ?? 0
    const pause = { iterations: [], waveEnd: 0, transition: { state: 'paused', reason: 'upstream is away' } } as const
    await store.commit(paused, pausedFence, pause)
    t.match((await store.get(paused))?.view, { state: 'paused', reason: 'upstream is away' })
    t.equal(await store.acquire(paused), null)
    t.match(await store.cancel(paused), { state: 'cancelled' })

    const running = await create()
    const fence = (await store.acquire(running))?.fence ?? 0
    t.match(await store.cancel(running), { state: 'stopping' })
    t.match(await store.cancel(running), { state: 'stopping', lastSeq: 3 }, 'asking twice changes nothing')
    t.strictSame(await store.commit(running, fence, { iterations: [iteration(1)], waveEnd: 4 }), {
      result: 'ok',
      state: 'stopping',
    })
    t.match(await store.acquire(running), { snapshot: { view: { state: 'stopping' } } }, 'whoever takes over knows')
    t.strictSame(
      await store.commit(running, fence + 1, pause),
      { result: 'ok', state: 'cancelled' },
      'it does not pause',
    )
    t.match(await store.cancel(running), { state: 'cancelled' })
  },
)

t.test('a paused loop that is resumed cannot be paused again by the commit that paused it', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const fence = (await store.acquire(loop.id))?.fence ?? 0
  const pause = { iterations: [], waveEnd: 0, transition: { state: 'paused', reason: 'x' } } as const
  await store.commit(loop.id, fence, pause)
  t.match(await store.resume(loop.id), { state: 'queued', reason: null })
  t.match(await store.commit(loop.id, fence, pause), { result: 'stale' })
  t.match(await store.resume(loop.id), { state: 'queued', lastSeq: 4 }, 'only a paused loop is resumed')
  t.match(await store.acquire(loop.id), { snapshot: { view: { state: 'running' } } })
})

t.test('acquisitions without a single iteration are counted until one is committed', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  for (const expected of [1, 2, 3]) t.equal((await store.acquire(loop.id))?.barrenAcquires, expected)
  await store.commit(loop.id, 3, { iterations: [iteration(1)], waveEnd: 4 })
  t.equal((await store.acquire(loop.id))?.barrenAcquires, 1)
})

t.test('scripts that Redis has forgotten are sent again', async (t) => {
  const { store, client } = await stores(t)
  await client.script('FLUSH')
  const { loop } = await store.create(ACME, request())
  await client.script('FLUSH')
  t.match(await store.acquire(loop.id), { fence: 1 })
})

t.test('a name is claimed by one, and free again after its time', async (t) => {
  const { store, another } = await stores(t)
  const claims = await Promise.all([store, another(), another()].map((each) => each.claim('sweep', 60_000)))
  t.equal(claims.filter(Boolean).length, 1)
  t.equal(await store.claim('short', 1), true)
  while (!(await store.claim('short', 1))) await new Promise(setImmediate)
  t.pass('free again')
})
