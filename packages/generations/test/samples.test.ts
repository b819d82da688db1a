import type { Sharing } from '../src/index.ts'
import { manualClock } from '@loopgate/testkit/clock'
import { answerJson, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { generationKey, namespaceKeys } from '../src/cache/keys.ts'
import { ask, bench, call, documentOf } from './kit.ts'

const OWN = { tenant: 'acme', admin: false }

/** Each upstream call gets an answer of its own. */
const numbered = (scratch: ScratchCall): void => answerJson(scratch, 200, documentOf(`answer ${scratch.serial}`))

const sharing = (wishes: Partial<Sharing>): { sharing: Sharing } => ({
  sharing: { choose: null, scope: 'tenant', ttlSeconds: null, keepsLength: false, idempotencyKey: null, ...wishes },
})

/** Asks for a sample by choice, at a temperature at which nothing else is shared. */
const chosen = (choose: Sharing['choose'], rest: Partial<Sharing> = {}) =>
  call({ temperature: 0.8 }, sharing({ choose, ...rest }))

const named = (sampleIndex: number) => call({ temperature: 0.8 }, { sampleIndex })

for (const [name, without] of [
  ['with Redis', false],
  ['without Redis', true],
] as const) {
  const options = without ? { redis: null } : {}

  t.test(
    `${name}: a new sample is one that nobody has had, told in the reply and there for whoever names it`,
    async (t) => {
      const { generations, server } = await bench(t, numbered, options)
      const fresh = await Promise.all(Array.from({ length: 20 }, () => ask(generations, chosen('new'))))
      const indices = fresh.map(({ generation }) => generation.sampleIndex ?? -1)
      t.equal(new Set(indices).size, 20)
      t.ok(
        indices.every((index) => index >= 1_000_000 && index <= 999_999_999),
        'above those that callers name',
      )
      t.equal(server.calls.length, 20)
      const again = await ask(generations, named(indices[7] ?? 0))
      t.match(again, { content: fresh[7]?.content, generation: { outcome: 'hit', key: fresh[7]?.generation.key } })
    },
  )

  t.test(`${name}: any takes one of those stored, and generates the first where none is`, async (t) => {
    const { generations, server } = await bench(t, numbered, options)
    const [first, same] = await Promise.all([ask(generations, chosen('any')), ask(generations, chosen('any'))])
    t.match(first.generation, { outcome: 'miss', sampleIndex: 0 })
    t.match(same.generation, { outcome: 'coalesced', sampleIndex: 0 }, 'they meet')
    await ask(generations, named(5))
    const seen = new Set<number | null>()
    for (let turn = 0; turn < 200 && seen.size < 2; turn++) {
      const { generation } = await ask(generations, chosen('any'))
      t.equal(generation.outcome, 'hit')
      seen.add(generation.sampleIndex)
    }
    t.strictSame(
      [...seen].sort((a, b) => Number(a) - Number(b)),
      [0, 5],
    )
    t.equal(server.calls.length, 2)
  })

  t.test(
    `${name}: best serves only what has passed, and generates the lowest that is not stored until then`,
    async (t) => {
      const { generations } = await bench(t, numbered, options)
      const keys: string[] = []
      for (const index of [0, 1, 2]) keys.push((await ask(generations, named(index))).generation.key ?? '')
      await stored(generations, keys)
      const [bad = '', good = ''] = keys
      await generations.cache.judge(OWN, bad, { verdict: 'fail', evaluator: 'tests' })
      t.match((await ask(generations, chosen('best'))).generation, { outcome: 'miss', sampleIndex: 3 })
      await generations.cache.judge(OWN, good, { verdict: 'pass', note: 'all 8 checks' })
      for (const _ of [1, 2, 3]) {
        t.match(await ask(generations, chosen('best')), {
          content: 'answer 2',
          generation: { outcome: 'hit', key: good },
        })
      }
      t.match(await generations.cache.entry(OWN, good), {
        sampleIndex: 1,
        verdict: { verdict: 'pass', note: 'all 8 checks' },
      })
      await generations.cache.judge(OWN, good, { verdict: 'fail' })
      t.match((await ask(generations, chosen('best'))).generation, { outcome: 'miss' }, 'a later verdict counts')
    },
  )

  t.test(`${name}: a verdict is on one answer, not on the one that replaces it`, async (t) => {
    const { generations } = await bench(t, numbered, options)
    const { generation } = await ask(generations, named(0))
    const key = generation.key ?? ''
    await stored(generations, [key])
    await generations.cache.judge(OWN, key, { verdict: 'pass' })
    await ask(generations, call({ temperature: 0.8 }, { sampleIndex: 0, noCache: true }))
    while ((await generations.cache.entry(OWN, key)).verdict !== null) await new Promise(setImmediate)
    t.match((await ask(generations, chosen('best'))).generation, { outcome: 'miss', sampleIndex: 1 })
    await t.rejects(generations.cache.judge({ tenant: 'globex', admin: true }, key, { verdict: 'pass' }), {
      code: 'LG_NOT_FOUND',
    })
  })

  t.test(`${name}: a purge voids everything of one tenant, and a deleted answer is gone`, async (t) => {
    const { generations, server } = await bench(t, numbered, options)
    const { generation } = await ask(generations, named(0))
    const other = call({ temperature: 0.8 }, { sampleIndex: 0, tenant: 'globex' })
    await ask(generations, other)
    await stored(generations, [generation.key ?? ''])
    await generations.cache.remove(OWN, generation.key ?? '')
    t.equal((await ask(generations, named(0))).generation.outcome, 'miss', 'deleted')
    t.match((await ask(generations, named(0))).generation, { outcome: 'hit', key: generation.key })
    await generations.cache.purge('acme')
    await t.rejects(generations.cache.entry(OWN, generation.key ?? ''), { code: 'LG_NOT_FOUND' })
    const after = await ask(generations, named(0))
    t.equal(after.generation.outcome, 'miss', 'purged')
    t.not(after.generation.key, generation.key)
    t.equal((await ask(generations, other)).generation.outcome, 'hit', 'the other tenant keeps its own')
    t.equal(server.calls.length, 4)
  })
}

/** Resolves once the record of each key is there: writing to Redis is not waited for by callers. */
async function stored(generations: Parameters<typeof ask>[0], keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    const probe = async () =>
      await generations.cache.judge(OWN, key, { verdict: 'fail', evaluator: 'probe' }).catch(() => null)
    while ((await probe()) === null) await new Promise(setImmediate)
  }
}

t.test('purges and deletions reach the memory of another replica within a second', async (t) => {
  const clock = manualClock()
  const { generations, replica } = await bench(t, numbered, { clock })
  const far = replica().generations
  const { key } = (await ask(generations, named(0))).generation
  const { key: kept } = (await ask(generations, named(1))).generation
  await stored(generations, [key ?? '', kept ?? ''])
  for (const index of [0, 1]) t.equal((await ask(far, named(index))).generation.outcome, 'hit')
  await generations.cache.remove(OWN, key ?? '')
  t.equal((await ask(far, named(0))).generation.outcome, 'hit', 'looked up a moment ago')
  clock.advance(1000)
  t.equal((await ask(far, named(0))).generation.outcome, 'miss')
  t.equal((await ask(far, named(1))).generation.outcome, 'hit', 'only that one')
  await generations.cache.purge('acme')
  clock.advance(1000)
  t.equal((await ask(far, named(1))).generation.outcome, 'miss')
})

t.test('a replica that has missed more deletions than are remembered forgets everything', async (t) => {
  const clock = manualClock()
  const { generations, replica, store } = await bench(t, numbered, { clock })
  const far = replica().generations
  const { generation } = await ask(generations, named(0))
  const name = await store.keyOf(generation)
  t.equal((await ask(far, named(0))).generation.outcome, 'hit')
  await store.client.unlink(name)
  const [namespace] = namespaceKeys(name.split(':gen:')[0] ?? '', 'acme')
  await store.client.hset(namespace, 'drops', 5000)
  clock.advance(1000)
  t.equal((await ask(far, named(0))).generation.outcome, 'miss')
})

t.test('what is generated while its namespace is purged is not found afterwards', async (t) => {
  const { generations, server } = await bench(t, () => {}, { redis: null })
  const before = generations.generate(named(0))
  const one = await server.call(1)
  await generations.cache.purge('acme')
  const after = generations.generate(named(0))
  answerJson(one, 200, documentOf('old'))
  t.equal((await before.ready).outcome, 'miss')
  answerJson(await server.call(2), 200, documentOf('new'))
  t.equal((await after.ready).outcome, 'miss', 'it did not join the older flight')
  t.equal((await ask(generations, named(0))).content, 'new')
})

t.test('a caller may want its answer kept for less time, never for more than the operator allows', async (t) => {
  const clock = manualClock()
  const { generations, store } = await bench(t, numbered, { clock, ttlSeconds: 1000 })
  const keptFor = (ttlSeconds: number, sampleIndex: number) => call({}, { sampleIndex, ...sharing({ ttlSeconds }) })
  for (const [wanted, kept, index] of [
    [100, 100, 0],
    [5000, 1000, 1],
  ] as const) {
    const { generation } = await ask(generations, keptFor(wanted, index))
    const ms = await store.client.pttl(await store.keyOf(generation))
    t.ok(ms > kept * 890 && ms <= kept * 1100, `${ms} ms for ${wanted} s`)
  }
  clock.advance(99_000)
  t.equal((await ask(generations, keptFor(100, 0))).generation.outcome, 'hit')
  clock.advance(1001)
  const memoryOnly = await bench(t, numbered, { clock, redis: null, ttlSeconds: 1000 })
  await ask(memoryOnly.generations, keptFor(100, 0))
  clock.advance(100_001)
  t.equal((await ask(memoryOnly.generations, keptFor(100, 0))).generation.outcome, 'miss')
})

t.test('an answer that ended by its length is kept for whoever asks for that', async (t) => {
  const { generations } = await bench(t, (scratch) => answerJson(scratch, 200, documentOf('cut', 'length')), {
    redis: null,
  })
  const wanted = call({}, sharing({ keepsLength: true }))
  t.equal((await ask(generations)).generation.outcome, 'miss')
  t.equal((await ask(generations, wanted)).generation.outcome, 'miss', 'nobody had asked for it to be kept')
  t.equal((await ask(generations, wanted)).generation.outcome, 'hit')
})

t.test('a content filter is never kept, not even for its own repetition', async (t) => {
  const { generations } = await bench(t, (scratch) => answerJson(scratch, 200, documentOf('', 'content_filter')), {
    redis: null,
  })
  const asked = call({ temperature: 0.8 }, sharing({ keepsLength: true, idempotencyKey: 'a' }))
  for (const _ of [1, 2]) t.equal((await ask(generations, asked)).generation.outcome, 'miss')
})

t.test('tenants share only where the operator and the caller both say so', async (t) => {
  const everybody = (tenant: string) => call({}, { tenant, ...sharing({ scope: 'shared' }) })
  const closed = await bench(t, numbered, { redis: null })
  for (const tenant of ['acme', 'globex']) {
    t.equal((await ask(closed.generations, everybody(tenant))).generation.outcome, 'miss', 'the operator does not')
  }
  const open = await bench(t, numbered, { redis: null, allowShared: true })
  t.equal((await ask(open.generations, everybody('acme'))).generation.outcome, 'miss')
  t.equal((await ask(open.generations, everybody('globex'))).generation.outcome, 'hit')
  t.equal(
    (await ask(open.generations, call({}, { tenant: 'globex' }))).generation.outcome,
    'miss',
    'the caller does not',
  )
  const { key } = (await ask(open.generations, everybody('acme'))).generation
  await t.rejects(open.generations.cache.remove(OWN, key ?? ''), { code: 'LG_NOT_FOUND' }, 'no tenant owns it')
  await open.generations.cache.remove({ tenant: 'ops', admin: true }, key ?? '')
})

t.test('the statistics tell what a tenant got, by model, over all replicas', async (t) => {
  const { generations, replica } = await bench(t, numbered)
  const far = replica().generations
  await ask(generations, named(0))
  await ask(generations, named(0))
  await ask(far, call({ temperature: 0.8 }))
  await ask(far, call({ model: 'n' }, { tenant: 'globex' }))
  const seen = async () => (await far.cache.statistics('acme'))[0]
  while ((await generations.cache.statistics('acme'))[0]?.stored !== 1) await new Promise(setImmediate)
  t.match(await seen(), { model: 'm', hits: 1, misses: 1, bypassed: 1, coalesced: 0, stored: 1, savedTokens: 5 })
  t.match(await generations.cache.statistics('globex'), [{ model: 'n', misses: 1 }])
  await generations.cache.purge('acme')
  t.strictSame(await generations.cache.statistics('acme'), [])
})

t.test('all that belongs to one request lies in one slot', async (t) => {
  const { generations, store } = await bench(t, numbered)
  const { key } = (await ask(generations, named(0))).generation
  await ask(generations, named(1))
  await ask(generations, chosen('new'))
  await stored(generations, [key ?? ''])
  const tag = /\{[^}]+\}/.exec(generationKey('', key ?? ''))?.[0]
  const names = (await store.client.keys(`${store.secretKey.split(':')[0]}:gen:*`)).filter(
    (name) => !/secret|statistics|namespace|replicas/.test(name),
  )
  t.ok(names.length >= 5)
  for (const name of names) t.equal(/\{[^}]+\}/.exec(name)?.[0], tag, name)
})

t.test('new samples given out on two replicas at once are all different', async (t) => {
  const { generations, replica } = await bench(t, numbered)
  const far = replica().generations
  const fresh = await Promise.all(
    Array.from({ length: 60 }, (_, index) => ask(index % 2 === 0 ? generations : far, chosen('new'))),
  )
  t.equal(new Set(fresh.map(({ generation }) => generation.sampleIndex)).size, 60)
  t.equal(new Set(fresh.map(({ content }) => content)).size, 60)
})

t.test(
  'with Redis away samples are chosen from what this replica knows, and what needs all replicas is refused',
  async (t) => {
    const nowhere = { url: 'redis://127.0.0.1:9', keyPrefix: 'x' }
    const { generations } = await bench(t, numbered, { redis: nowhere })
    const { generation } = await ask(generations, chosen('any'))
    t.match((await ask(generations, chosen('any'))).generation, { outcome: 'hit', sampleIndex: 0 })
    const fresh = await Promise.all([1, 2, 3].map(() => ask(generations, chosen('new'))))
    const indices = fresh.map(({ generation: { sampleIndex } }) => sampleIndex ?? 0)
    t.equal(new Set(indices).size, 3)
    t.ok(
      indices.every((index) => index >= 500_000_000),
      'far from what other replicas give out',
    )
    const away = { code: 'LG_STORE_UNAVAILABLE' }
    await t.rejects(generations.cache.purge('acme'), away)
    await t.rejects(generations.cache.remove(OWN, generation.key ?? ''), away)
    await t.rejects(generations.cache.statistics('acme'), away)
    t.match(await generations.cache.judge(OWN, generation.key ?? '', { verdict: 'pass' }), { verdict: 'pass' })
    t.match((await ask(generations, chosen('best'))).generation, { outcome: 'hit', sampleIndex: 0 })
  },
)
