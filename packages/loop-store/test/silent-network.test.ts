import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { redis, type TestScope } from '@loopgate/testkit/redis'
import t from 'tap'
import { connectRedis } from '../src/index.ts'

/** A way to Redis that can go silent: what is sent arrives nowhere, and nothing is closed. */
async function lossyWay(t: TestScope, url: string) {
  const { hostname, port } = new URL(url)
  const open: Socket[] = []
  const pairs: Array<readonly [Socket, Socket]> = []
  const server = createServer((near) => {
    const far = connect(Number(port || 6379), hostname)
    for (const socket of [near, far]) socket.on('error', () => {})
    near.pipe(far).pipe(near)
    open.push(near, far)
    pairs.push([near, far])
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const goSilent = (): void => {
    for (const [near, far] of pairs.splice(0)) {
      near.unpipe(far)
      far.unpipe(near)
    }
  }
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    goSilent,
    connections: () => open.length / 2,
  }
}

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
