import { privateRedis } from '@loopgate/testkit/redis'
import t from 'tap'
import { ask, bench, call, streaming } from './kit.ts'
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
