import { systemClock } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { redis } from '@loopgate/testkit/redis'
import t from 'tap'
import { connectRedis, createLoopStore, type Redis } from '../src/index.ts'
import { ACME, GLOBEX, iteration, request, stores } from './harness.ts'

t.test('a new loop is queued, readable, listed and live, with its first event', async (t) => {
  const { store } = await stores(t)
  const { loop, created } = await store.create(ACME, request())
  t.equal(created, true)
  t.match(loop, { state: 'queued', reason: null, accepted: null, lastSeq: 1, counts: { iterations: 0, tokens: 0 } })
  t.strictSame(loop.request, request())
  t.strictSame(await store.get(loop.id), { tenant: 'acme', view: loop })
  t.strictSame(await store.list('acme', { limit: 10 }), { loops: [loop], next: null })
  t.match(await store.eventsAfter(loop.id, 0, 10), [{ seq: 1, event: { type: 'state', state: 'queued' } }])
  t.strictSame(await allLive(store), [loop.id])
})

t.test('the same key and body give the first loop again, whoever asks at the same time', async (t) => {
  const { store, another } = await stores(t)
  const racing = await Promise.all(
    Array.from({ length: 20 }, (_, n) => (n % 2 ? store : another()).create(ACME, request(), 'key')),
  )
  t.equal(new Set(racing.map(({ loop }) => loop.id)).size, 1)
  t.equal(racing.filter(({ created }) => created).length, 1)
  t.equal((await store.list('acme', { limit: 10 })).loops.length, 1)
  t.equal((await store.eventsAfter(racing[0]?.loop.id ?? '', 0, 10)).length, 1)
})

t.test('the same key with another body is a conflict, for that tenant alone', async (t) => {
  const { store } = await stores(t)
  const { loop } = await store.create(ACME, request(), 'key')
  await t.rejects(store.create(ACME, request({ goal: 'Subtract.' }), 'key'), { code: 'LG_CONFLICT' })
  const other = await store.create(GLOBEX, request({ goal: 'Subtract.' }), 'key')
  t.equal(other.created, true)
  t.not(other.loop.id, loop.id)
})

t.test("a tenant's loops come newest first, page by page, each once", async (t) => {
  const clock = manualClock()
  const { store } = await stores(t, { clock })
  const made: string[] = []
  for (let n = 0; n < 7; n += 1) {
    const { loop } = await store.create(ACME, request())
    made.push(`${loop.createdAt} ${loop.id}`)
    clock.advance(n % 2) // some are of the same millisecond
  }
  await store.create(GLOBEX, request())
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await store.list('acme', { limit: 3, ...(after === undefined ? {} : { after }) })
    seen.push(...page.loops.map(({ createdAt, id }) => `${createdAt} ${id}`))
    after = page.next ?? undefined
  } while (after !== undefined)
  t.strictSame(seen, made.toSorted().toReversed())
})

t.test('a list by state holds those alone', async (t) => {
  const { store } = await stores(t)
  const ids = await Promise.all([0, 1, 2, 3].map(async () => (await store.create(ACME, request())).loop.id))
  await store.cancel(ids[1] ?? '')
  await store.cancel(ids[2] ?? '')
  const { loops } = await store.list('acme', { limit: 10, state: 'cancelled' })
  t.strictSame(new Set(loops.map(({ id }) => id)), new Set([ids[1], ids[2]]))
})

t.test('ids that were never given are no loops', async (t) => {
  const { store } = await stores(t)
  for (const id of ['', 'loop_1', `loop_${'0'.repeat(24)}`, '*', '{x}', 'loop_\n']) {
    t.equal(await store.get(id), null)
    t.equal(await store.cancel(id), null)
    t.equal(await store.resume(id), null)
    t.equal(await store.acquire(id), null)
    t.strictSame(await store.eventsAfter(id, 0, 10), [])
  }
})

t.test('a creator may die before any of its commands: repeated, there is one loop', async (t) => {
  const { url, keyPrefix } = await redis(t)
  for (let survived = 0; ; survived += 1) {
    const connection = connectRedis(url, 'fail-fast')
    await new Promise((resolve) => connection.once('ready', resolve))
    const dying = createLoopStore({ redis: dyingAfter(connection, survived), clock: systemClock }, { keyPrefix })
    const key = `key-${survived}`
    const tenant = `tenant-${survived}`
    const died = await dying.create({ tenant, keyId: 'k' }, request(), key).then(
      () => false,
      () => true,
    )
    connection.disconnect()
    const healthy = connectRedis(url, 'fail-fast')
    const store = createLoopStore({ redis: healthy, clock: systemClock }, { keyPrefix })
    const { loop } = await store.create({ tenant, keyId: 'k' }, request(), key)
    const { loops } = await store.list(tenant, { limit: 10 })
    t.strictSame(loops, [loop], `after ${survived} commands`)
    t.equal((await allLive(store)).filter((id) => id === loop.id).length, 1)
    t.equal(loop.lastSeq, 1)
    healthy.disconnect()
    if (!died) {
      t.ok(survived >= 4, 'it was killed before each of several commands')
      break
    }
  }
})

t.test('an ended loop and its key are kept for the retention and then gone from everywhere', async (t) => {
  const clock = manualClock()
  const { store, client, keyPrefix } = await stores(t, { clock, retentionSeconds: 100 })
  const { loop } = await store.create(ACME, request(), 'key')
  const held = await store.acquire(loop.id)
  await store.commit(loop.id, held?.fence ?? 0, { iterations: [iteration(1)], waveEnd: 4 })
  const keysOf = async () => (await client.keys(`*${keyPrefix}*${loop.id}*`)).toSorted()
  t.equal((await keysOf()).length, 3, 'loop, events and what was seen')
  for (const key of await keysOf()) t.equal(await client.ttl(key), -1, 'a live loop does not expire')
  const transition = { state: 'exhausted', reason: 'x' } as const
  await store.commit(loop.id, held?.fence ?? 0, { iterations: [], waveEnd: 4, transition })
  const keys = await keysOf()
  t.equal(keys.length, 2, 'what was seen is of no more use')
  for (const key of keys) t.ok((await client.ttl(key)) > 90)
  t.strictSame(await allLive(store), [])

  await client.del(keys) // as expiry does
  t.equal(await store.get(loop.id), null)
  clock.advance(120_000)
  t.strictSame(await store.list('acme', { limit: 10 }), { loops: [], next: null })
})

t.test('the index of a tenant who never lists is trimmed as loops are created', async (t) => {
  const clock = manualClock()
  const { store, client, keyPrefix } = await stores(t, { clock })
  for (let n = 0; n < 6; n += 1) {
    const { loop } = await store.create(ACME, request())
    await store.cancel(loop.id)
    await client.del(await client.keys(`*${keyPrefix}*${loop.id}*`))
    clock.advance(120_000)
  }
  t.ok((await client.zcard(`${keyPrefix}:loops:{tenant-acme}:index`)) <= 2)
})

async function allLive(store: ReturnType<typeof createLoopStore>): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Awaited<ReturnType<typeof store.live>> = await store.live(cursor, 100)
    ids.push(...page.loops.map(({ id }) => id))
    cursor = page.next
  }
  return ids
}

/** A connection over which only the first commands go out: what a process does that dies in between. */
function dyingAfter(redis: Redis, commands: number): Redis {
  const send = redis.sendCommand.bind(redis)
  let left = commands
  redis.sendCommand = (command, stream) => {
    left -= 1
    if (left >= 0) return send(command, stream)
    command.reject(new Error('Connection is closed.'))
    return command.promise
  }
  return redis
}
