import t from 'tap'
import type { LoopNotice } from '../src/index.ts'
import { ACME, iteration, request, stores } from './harness.ts'

/** Collects notices; `next` is the next one that has not been taken. */
function listener() {
  const arrived: LoopNotice[] = []
  const waiting: Array<(notice: LoopNotice) => void> = []
  return {
    hear: (notice: LoopNotice): void => {
      const taker = waiting.shift()
      if (taker) taker(notice)
      else arrived.push(notice)
    },
    next: (): Promise<LoopNotice> => {
      const notice = arrived.shift()
      return notice === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(notice)
    },
    arrived,
  }
}

t.test('each transition is told once it can be read, to every listener', async (t) => {
  const { store, another } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const [here, there] = [listener(), listener()]
  await store.onEvents(loop.id, here.hear)
  await another().onEvents(loop.id, there.hear)
  await store.acquire(loop.id)
  await store.commit(loop.id, 1, { iterations: [iteration(1), iteration(2)], waveEnd: 4 })
  for (const { next } of [here, there]) {
    t.strictSame(await next(), { seq: 2, state: 'running' })
    t.strictSame(await next(), { seq: 4, state: 'running' }, 'one notice for both iterations')
  }
  t.equal((await store.eventsAfter(loop.id, 2, 10)).length, 2)
})

t.test('events are read from any number on, as many as asked for', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  await store.acquire(loop.id)
  await store.commit(loop.id, 1, { iterations: [1, 2, 3].map((number) => iteration(number)), waveEnd: 4 })
  const seqs = async (after: number, limit: number) =>
    (await store.eventsAfter(loop.id, after, limit)).map(({ seq }) => seq)
  t.strictSame(await seqs(0, 2), [1, 2])
  t.strictSame(await seqs(2, 2), [3, 4])
  t.strictSame(await seqs(4, 100), [5])
  t.strictSame(await seqs(5, 100), [])
  t.strictSame(await seqs(99, 100), [])
  t.strictSame(await seqs(-1, 1), [1])
  t.strictSame(await seqs(0, 0), [])
})

t.test('who has left is told nothing, and the others still are', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const [stays, leaves] = [listener(), listener()]
  await store.onEvents(loop.id, stays.hear)
  const leave = await store.onEvents(loop.id, leaves.hear)
  leave()
  leave()
  await store.acquire(loop.id)
  await stays.next()
  t.strictSame(leaves.arrived, [])
  const returned = await store.onEvents(loop.id, leaves.hear)
  await store.cancel(loop.id)
  t.match(await leaves.next(), { state: 'stopping' })
  returned()
})

t.test('after a cut connection listeners are told that they may have missed something, and hear again', async (t) => {
  const { store, client, keyPrefix } = await stores(t)
  const { loop } = await store.create(ACME, request())
  const ears = listener()
  await store.onEvents(loop.id, ears.hear)
  const clients = String(await client.client('LIST')).split('\n')
  const subscriber = clients.find((line) => line.includes(`name=${keyPrefix} `) && line.includes(' sub=1 '))
  await client.client('KILL', 'ID', /id=(\d+)/.exec(subscriber ?? '')?.[1] ?? '')
  t.equal(await ears.next(), null)
  await store.cancel(loop.id)
  t.match(await ears.next(), { state: 'cancelled' })
})
