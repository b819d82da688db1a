import { manualClock } from '@loopgate/testkit/clock'
import { privateRedis } from '@loopgate/testkit/redis'
import { answerJson } from '@loopgate/testkit/scratch-upstream'
import { Redis } from 'ioredis'
import t from 'tap'
import { ask, bench, call, documentOf, streaming } from './kit.ts'
import { until } from './net-kit.ts'

t.test('with Redis frozen everything is answered, the cache is bypassed, and it comes back by itself', async (t) => {
  const { url, pid } = await privateRedis(t)
  const { generations, metric } = await bench(t, streaming(), { redis: { url, keyPrefix: 'x' }, memoryBytes: 0 })
  await ask(generations)
  await until(async () => (await ask(generations)).generation.outcome === 'hit')

  process.kill(pid, 'SIGSTOP')
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, sampleIndex) =>
      ask(generations, call({ stream: sampleIndex % 2 === 0 }, { sampleIndex })),
    ),
  )
  t.ok(answers.every(({ content }) => content === 'Hello 🌍'))
  await until(async () => {
    await ask(generations, call({ seed: 1 }))
    return generations.cacheStatus() === 'down'
  })
  const lookups = () => metric('loopgate_cache_lookups_total', '{tier="redis",result="hit"}')
  const before = await lookups()
  t.equal((await ask(generations)).generation.outcome, 'miss', 'what is stored is out of reach')
  t.equal(await lookups(), before)

  process.kill(pid, 'SIGCONT')
  await until(() => generations.cacheStatus() === 'up')
  await until(async () => (await ask(generations)).generation.outcome === 'hit')
})

t.test('with Redis killed, and with none from the start, everything is answered', async (t) => {
  const { url, pid } = await privateRedis(t)
  const { generations, replica } = await bench(t, streaming(), { redis: { url, keyPrefix: 'x' } })
  process.kill(pid, 'SIGKILL')
  await until(() => generations.cacheStatus() === 'down')
  t.equal((await ask(generations)).content, 'Hello 🌍')
  t.equal((await ask(generations)).generation.outcome, 'hit', 'from memory')
  const late = replica()
  t.equal((await ask(late.generations)).content, 'Hello 🌍')
  t.equal(late.generations.cacheStatus(), 'down')
})

t.test('a replica that started while Redis was away has keys of its own only until Redis is there', async (t) => {
  const { url, pid } = await privateRedis(t)
  const client = new Redis(url)
  await client.set('x:gen:secret', 'of-the-installation')
  client.disconnect()
  process.kill(pid, 'SIGSTOP')
  const clock = manualClock()
  const { generations, replica } = await bench(t, (call) => answerJson(call, 200, documentOf('x')), {
    redis: { url, keyPrefix: 'x' },
    secret: null,
    clock,
  })
  const first = ask(generations)
  clock.advance(1000)
  const { key } = (await first).generation
  process.kill(pid, 'SIGCONT')
  await until(() => generations.cacheStatus() === 'up')
  const other = replica().generations
  const keyAt = async ({ cache }: typeof other) =>
    (await cache.explain(call(), { tenant: 'acme', admin: false }, null)).key
  await until(async () => {
    clock.advance(1000)
    return (await keyAt(generations)) === (await keyAt(other))
  })
  t.not(await keyAt(other), key)
})
