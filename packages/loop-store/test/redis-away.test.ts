import { systemClock } from '@loopgate/service-kit'
import { freePort, privateRedis } from '@loopgate/testkit/redis'
import t from 'tap'
import { connectRedis, createLoopStore, type LoopStore, type RedisProfile } from '../src/index.ts'
import { ACME, iteration, request } from './harness.ts'

function storeAt(t: { teardown: (fn: () => unknown) => void }, url: string, profile: RedisProfile): LoopStore {
  const redis = connectRedis(url, profile)
  const store = createLoopStore({ redis, clock: systemClock }, { keyPrefix: 'lg' })
  t.teardown(async () => {
    await store.close()
    redis.disconnect()
  })
  return store
}

t.test('without a Redis every call says so at once', async (t) => {
  const store = storeAt(t, `redis://127.0.0.1:${await freePort()}`, 'fail-fast')
  const id = `loop_${'0'.repeat(24)}`
  const calls: Array<[string, () => Promise<unknown>]> = [
    ['create', () => store.create(ACME, request(), 'key')],
    ['get', () => store.get(id)],
    ['list', () => store.list('acme', { limit: 1 })],
    ['cancel', () => store.cancel(id)],
    ['events', () => store.eventsAfter(id, 0, 1)],
    ['stats', () => store.stats()],
    ['acquire', () => store.acquire(id)],
    ['commit', () => store.commit(id, 1, { iterations: [iteration(1)], waveEnd: 1 })],
    ['live', () => store.live('', 1)],
  ]
  for (const [name, call] of calls) {
    await t.rejects(call(), { code: 'LG_STORE_UNAVAILABLE', retryable: true }, name)
  }
})

t.test('the first calls of a process wait for its connection', async (t) => {
  const { url } = await privateRedis(t)
  const store = storeAt(t, url, 'fail-fast')
  const calls = await Promise.all(Array.from({ length: 20 }, () => store.create(ACME, request())))
  t.equal(calls.length, 20)
})

t.test('with a frozen Redis a caller is refused, a worker waits; both work once it is back', async (t) => {
  const { url, pid } = await privateRedis(t)
  const caller = storeAt(t, url, 'fail-fast')
  const worker = storeAt(t, url, 'worker')
  const { loop } = await caller.create(ACME, request())
  await worker.stats()
  process.kill(pid, 'SIGSTOP')
  const acquired = worker.acquire(loop.id)
  await t.rejects(caller.get(loop.id), { code: 'LG_STORE_UNAVAILABLE' })
  await t.rejects(
    caller.onEvents(loop.id, () => {}),
    { code: 'LG_STORE_UNAVAILABLE' },
  )
  process.kill(pid, 'SIGCONT')
  t.match(await acquired, { fence: 1 })
  t.match(await caller.get(loop.id), { view: { state: 'running' } })
})

t.test('a Redis that is full says so as unavailable, and nothing half is written', async (t) => {
  const { url } = await privateRedis(t)
  const store = storeAt(t, url, 'fail-fast')
  const { loop } = await store.create(ACME, request())
  const admin = connectRedis(url, 'fail-fast')
  t.teardown(() => admin.disconnect())
  await new Promise((resolve) => admin.once('ready', resolve))
  await admin.config('SET', 'maxmemory', '1')
  await t.rejects(store.acquire(loop.id), { code: 'LG_STORE_UNAVAILABLE' })
  await t.rejects(store.create(ACME, request(), 'key'), { code: 'LG_STORE_UNAVAILABLE' })
  await admin.config('SET', 'maxmemory', '0')
  t.match(await store.get(loop.id), { view: { state: 'queued', lastSeq: 1 } })
  t.match(await store.create(ACME, request(), 'key'), { created: true })
})

t.test('a lost connection is told once, and once that it is back', async (t) => {
  const { url } = await privateRedis(t)
  const told: boolean[] = []
  const back = Promise.withResolvers<void>()
  const redis = connectRedis(url, 'worker', {
    onChange: (up) => {
      told.push(up)
      if (up) back.resolve()
    },
  })
  t.teardown(() => redis.disconnect())
  await redis.ping()
  t.strictSame(told, [], 'a first connection is no news')
  const other = connectRedis(url, 'worker')
  t.teardown(() => other.disconnect())
  await other.client('KILL', 'ID', await redis.client('ID'))
  await back.promise
  t.strictSame(told, [false, true])
})

t.test('a Redis that was never there is told once, however often it is tried', async (t) => {
  const told: boolean[] = []
  const redis = connectRedis(`redis://127.0.0.1:${await freePort()}`, 'worker', { onChange: (up) => told.push(up) })
  t.teardown(() => redis.disconnect())
  for (let failures = 0; failures < 3; failures += 1) await new Promise((resolve) => redis.once('close', resolve))
  t.strictSame(told, [false])
})
