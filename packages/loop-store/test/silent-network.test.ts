import { lossyWay } from '@loopgate/testkit/lossy-way'
import { redis } from '@loopgate/testkit/redis'
import t from 'tap'
import { connectRedis } from '../src/index.ts'

t.test(
  'a worker notices a network that has gone silent, and its commands are answered on a new connection',
  async (t) => {
    const { url, keyPrefix } = await redis(t)
    const way = await lossyWay(t, url)
    const connection = connectRedis(way.url, 'worker', { watch: { everyMs: 10, deadlineMs: 50 } })
    t.teardown(() => connection.disconnect())
    await connection.set(`${keyPrefix}:a`, '1', 'EX', 60)
    way.goSilent()
    t.equal(await connection.incr(`${keyPrefix}:a`), 2, 'the command sent into the silence is answered')
    t.equal(way.connections(), 2)
  },
)

t.test('a connection that answers is left alone', async (t) => {
  const { url, keyPrefix } = await redis(t)
  const way = await lossyWay(t, url)
  const connection = connectRedis(way.url, 'worker', { watch: { everyMs: 1, deadlineMs: 2_000 } })
  t.teardown(() => connection.disconnect())
  for (let n = 0; n < 300; n += 1) await connection.set(`${keyPrefix}:b`, '1', 'EX', 60)
  t.equal(way.connections(), 1)
})
