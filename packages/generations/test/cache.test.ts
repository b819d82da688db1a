import { manualClock } from '@loopgate/testkit/clock'
import { answerJson } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import type { Generations } from '../src/index.ts'
import { ask, bench, call, dataOf, documentOf, streaming } from './kit.ts'

/** Asks until the outcome is the one expected: writing to Redis is not waited for. */
async function outcomeOf(generations: Generations, asked = call(), wanted = 'hit'): Promise<string> {
  const deadline = Date.now() + 5000
  for (;;) {
    const { generation } = await ask(generations, asked)
    if (generation.outcome === wanted || Date.now() > deadline) return generation.outcome
  }
}

t.test('another replica answers from Redis what the first has paid for, in both shapes', async (t) => {
  const { generations, server, replica, store } = await bench(t, streaming())
  const first = await ask(generations, call({ stream: true }))
  await store.keyOf(first.generation)
  const other = replica()
  t.equal(await outcomeOf(other.generations), 'hit')
  const replayed = await ask(other.generations, call({ stream: true }))
  t.equal(replayed.text, first.text, 'byte for byte')
  t.ok(dataOf(replayed.text).length > 2, 'in the chunks of the recording')
  t.match(replayed.generation, { outcome: 'hit', attempts: 0, upstreamMs: 0, queueMs: 0, headers: {}, ageSeconds: 0 })
  t.equal(server.calls.length, 1)
  t.equal(await other.metric('loopgate_generations_total', '{outcome="miss"}'), 0)
})

t.test('many callers of one stored answer read it from Redis once', async (t) => {
  const { generations, replica, store } = await bench(t, streaming())
  await store.keyOf((await ask(generations)).generation)
  const other = replica()
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(other.generations)))
  t.strictSame(new Set(answers.map(({ generation }) => generation.outcome)), new Set(['hit']))
  t.equal(await other.metric('loopgate_cache_lookups_total', '{tier="redis",result="hit"}'), 1)
})

t.test('a large answer is stored compressed and comes back as it was', async (t) => {
  const content = 'const a = 1\n'.repeat(5000)
  const { generations, replica, store } = await bench(t, (scratch) => answerJson(scratch, 200, documentOf(content)))
  const { text, generation } = await ask(generations)
  t.ok((await store.client.strlen(await store.keyOf(generation))) < text.length / 10)
  const other = replica()
  const replayed = await ask(other.generations)
  t.equal(replayed.generation.outcome, 'hit')
  t.equal(replayed.text, text)
})

t.test('a value that stands under a key not its own is never given to anybody', async (t) => {
  const { generations, store, replica, server } = await bench(t, streaming())
  const mine = await ask(generations, call({}, { tenant: 'acme' }))
  const theirs = await ask(generations, call({}, { tenant: 'globex' }))
  await store.client.copy(await store.keyOf(mine.generation), await store.keyOf(theirs.generation), 'REPLACE')
  const other = replica()
  t.equal((await ask(other.generations, call({}, { tenant: 'globex' }))).generation.outcome, 'miss')
  t.equal(server.calls.length, 3)
})

t.test('bytes in Redis that are no entry, or half of one, are a miss', async (t) => {
  const { generations, store, replica } = await bench(t, streaming())
  const breaks = [
    (value: Buffer) => value.subarray(0, -1),
    (value: Buffer) => value.subarray(0, 5),
    () => Buffer.from('hello'),
    () => Buffer.alloc(0),
  ]
  for (const [sampleIndex, broken] of breaks.entries()) {
    const asked = call({}, { sampleIndex })
    const key = await store.keyOf((await ask(generations, asked)).generation)
    await store.client.set(key, broken((await store.client.getBuffer(key)) as Buffer))
    t.equal((await ask(replica().generations, asked)).generation.outcome, 'miss', `break ${sampleIndex}`)
  }
})

t.test('entries expire in Redis, spread around the time to live', async (t) => {
  const { generations, store } = await bench(t, streaming(), { ttlSeconds: 1000 })
  const lives = new Set<number>()
  for (const sampleIndex of [1, 2, 3, 4]) {
    const { generation } = await ask(generations, call({}, { sampleIndex }))
    const ms = await store.client.pttl(await store.keyOf(generation))
    t.ok(ms > 890_000 && ms <= 1_100_000, `${ms}`)
    lives.add(Math.round(ms / 100))
  }
  t.ok(lives.size > 1, 'not all at once')
})

t.test('entries expire in memory too, and say their age', async (t) => {
  const clock = manualClock()
  const { generations } = await bench(t, streaming(), { clock, redis: null, ttlSeconds: 100 })
  await ask(generations)
  clock.advance(99_500)
  t.match((await ask(generations)).generation, { outcome: 'hit', ageSeconds: 99 })
  clock.advance(1000)
  t.match((await ask(generations)).generation, { outcome: 'miss', ageSeconds: null })
})

t.test('max-age refuses what is older, no-cache refuses all and renews it', async (t) => {
  const clock = manualClock()
  const { generations, server } = await bench(t, streaming(), { clock })
  await ask(generations)
  clock.advance(10_000)
  t.equal((await ask(generations, call({}, { maxAge: 10 }))).generation.outcome, 'hit')
  t.equal((await ask(generations, call({}, { maxAge: 9 }))).generation.outcome, 'miss')
  t.equal((await ask(generations, call({}, { maxAge: 0 }))).generation.outcome, 'hit', 'of this very moment')
  clock.advance(1)
  t.equal((await ask(generations, call({}, { noCache: true }))).generation.outcome, 'miss')
  t.match((await ask(generations)).generation, { outcome: 'hit', ageSeconds: 0 })
  t.equal(server.calls.length, 3)
})

t.test('whoever sets an age does not join a flight that may find an older answer', async (t) => {
  const clock = manualClock()
  const { generations, store, replica, server } = await bench(t, streaming(), { clock })
  const { generation } = await ask(generations)
  await store.keyOf(generation)
  clock.advance(60_000)
  const other = replica()
  const [patient, strict] = await Promise.all([
    ask(other.generations),
    ask(other.generations, call({}, { maxAge: 30 })),
  ])
  t.equal(patient.generation.outcome, 'hit')
  t.equal(strict.generation.outcome, 'miss')
  t.equal(server.calls.length, 2)
})

t.test('no-cache does not join a flight that began before it', async (t) => {
  const { generations, server } = await bench(t, () => {})
  const first = generations.generate(call())
  await server.call(1)
  const second = generations.generate(call({}, { noCache: true }))
  const third = generations.generate(call())
  const [one, two] = [await server.call(1), await server.call(2)]
  answerJson(two, 200, documentOf('new'))
  t.equal((await second.ready).outcome, 'miss')
  t.equal((await third.ready).outcome, 'coalesced', 'later callers join the newer one')
  answerJson(one, 200, documentOf('old'))
  await first.ready
  t.equal((await ask(generations)).content, 'new', 'the older answer does not replace the newer')
})

t.test('the memory is bounded in bytes; the oldest go first; 0 keeps nothing', async (t) => {
  const content = 'x'.repeat(10_000)
  const answer = (scratch: Parameters<typeof answerJson>[0]) => answerJson(scratch, 200, documentOf(content))
  const small = await bench(t, answer, { redis: null, memoryBytes: 128 * 1024 })
  for (let sampleIndex = 0; sampleIndex < 20; sampleIndex++) await ask(small.generations, call({}, { sampleIndex }))
  const bytes = await small.metric('loopgate_cache_memory_bytes')
  t.ok(bytes > 64 * 1024 && bytes <= 128 * 1024, `${bytes}`)
  t.equal((await ask(small.generations, call({}, { sampleIndex: 19 }))).generation.outcome, 'hit')
  t.equal((await ask(small.generations, call({}, { sampleIndex: 0 }))).generation.outcome, 'miss')
  const none = await bench(t, answer, { redis: null, memoryBytes: 0 })
  await ask(none.generations)
  t.equal((await ask(none.generations)).generation.outcome, 'miss')
})

t.test(
  'replicas without a configured secret agree on one through Redis; another installation has another',
  async (t) => {
    const { generations, replica, store } = await bench(t, streaming(), { secret: null })
    const { generation } = await ask(generations)
    const other = replica()
    t.equal((await ask(other.generations)).generation.key, generation.key)
    t.match(await store.client.get(store.secretKey), /^[0-9a-f]{64}$/)
    const elsewhere = await bench(t, streaming(), { secret: null })
    t.not((await ask(elsewhere.generations)).generation.key, generation.key)
  },
)

t.test('a body without a canonical form is refused, and the fault names the field', async (t) => {
  const { generations, server } = await bench(t, streaming(), { redis: null })
  const asked = call({ messages: [{ role: 'user', content: 'a\ud800' }] })
  t.match(await generations.generate(asked).ready.catch((error: unknown) => error), {
    code: 'LG_BAD_REQUEST',
    param: 'messages.0.content',
    message: /lone surrogate/,
  })
  t.equal(server.calls.length, 0)
})
