import { runnerListSchema } from '@loopgate/contracts'
import { OWN_VERSION } from '@loopgate/runner-wire'
import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { runner } from '@loopgate/testkit/runner'
import t, { type Test } from 'tap'
import { send, until } from './kit/http.ts'
import { attach, dial, runnerInfo } from './kit/runner.ts'

/** Two gateways over one Redis that take the same runner token; the second starts when the test says so. */
async function pair(t: Test) {
  const store = await redis(t)
  const env = { LOOPGATE_RUNNER_TOKEN: 'lgr-of-both', LOOPGATE_REPLICA_TTL_MS: '1000' }
  const start = async () => ({ ...(await gateway(t, { redis: store, env })), runnerToken: env.LOOPGATE_RUNNER_TOKEN })
  return { first: await start(), start }
}

const connectUrl = ({ url }: { url: string }) => `${url.replace('http', 'ws')}/api/runners/connect`

t.test('a runner hears of a replica that starts later, and of those that were there in its welcome', async (t) => {
  const { first, start } = await pair(t)
  const early = await attach(t, first)
  const second = await start()
  t.strictSame((await early.hear('peers')).peers, [connectUrl(second)])
  const late = await dial(t, second)
  late.say({ type: 'hello', ...OWN_VERSION, info: runnerInfo({ runnerId: 'late' }) })
  t.strictSame((await late.hear('welcome')).peers, [connectUrl(first)])
  await second.app.close()
  t.strictSame((await early.hear('peers')).peers, [], 'one that has left in order is forgotten at the next heartbeat')
})

t.test('a runner that knows one replica attaches to all', async (t) => {
  const { first, start } = await pair(t)
  await runner(t, { gatewayUrl: first.url, token: first.runnerToken, slots: 1 })
  const second = await start()
  await until(async () => {
    const { json } = await send(`${second.url}/api/runners`, { key: second.adminKey })
    return runnerListSchema.parse(json).runners.length === 1 ? true : undefined
  })
  t.pass('it came by itself')
})

t.test('a replica advertises the address that the operator gives', async (t) => {
  const store = await redis(t)
  await gateway(t, { redis: store, env: { LOOPGATE_ADVERTISE_URL: 'http://10.1.2.3:8080' } })
  const advertised = await until(async () => {
    const [address] = await store.client.hvals(`${store.keyPrefix}:gen:{replicas}:address`)
    return address
  })
  t.equal(advertised, 'http://10.1.2.3:8080')
})
