import t from 'tap'
import { redisCluster } from './cluster-kit.ts'
import { ask, bench, call, streaming } from './kit.ts'
import { onNetwork, until } from './net-kit.ts'

t.test('on a Redis Cluster replicas share flights and answers, whatever slots their keys have', async (t) => {
  const { urls, nodes } = await redisCluster(t)
  const { generations, replica, server } = await bench(t, streaming(), {
    redis: { url: urls, keyPrefix: 'c' },
    memoryBytes: 0,
    redisTimeoutMs: 10_000,
  })
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  await until(() => one.generations.cacheStatus() === 'up' && two.generations.cacheStatus() === 'up')
  const samples = Array.from({ length: 30 }, (_, seed) => call({ seed, stream: seed % 2 === 0 }))
  const answers = await Promise.all(
    samples.flatMap((sample) => [ask(one.generations, sample), ask(two.generations, sample)]),
  )
  t.ok(answers.every(({ content }) => content === 'Hello 🌍'))
  t.equal(server.calls.length, samples.length, 'one call for each, not one a replica')
  const entries = async () => {
    const found = await Promise.all(nodes.map(async (node) => (await node.keys('c:gen:*')).filter(isEntry).length))
    return found
  }
  await until(async () => (await entries()).reduce((sum, each) => sum + each) === samples.length)
  t.ok(
    (await entries()).every((each) => each > 0),
    'spread over all nodes',
  )
  const third = replica().generations
  await until(() => third.cacheStatus() === 'up')
  for (const sample of samples) t.equal((await ask(third, sample)).generation.outcome, 'hit')
})

const isEntry = (key: string): boolean => /:entry:\d+$/.test(key)
