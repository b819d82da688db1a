import { once } from 'node:events'
import { gateway, gatewayProcess } from '@loopgate/testkit/gateway'
import { privateRedis, redis } from '@loopgate/testkit/redis'
import { answerJson, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { send } from '../kit/http.ts'
import { limitedKey, usageOf } from '../kit/keys.ts'

const SOON_MS = 20_000
const CHAT = '/v1/chat/completions'
const BODY = { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'x' }], max_tokens: 1 }
const ANSWER = {
  id: 'c',
  model: 'gpt-oss-120b',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
}
const answering = (t: Parameters<typeof scratchUpstream>[0]) =>
  scratchUpstream(t, (call) => answerJson(call, 200, ANSWER))

t.test('with Redis frozen each replica allows its share, and all is counted when it thaws', async (t) => {
  const server = await privateRedis(t)
  const upstream = await answering(t)
  const options = { redis: { url: server.url, keyPrefix: 'k' }, upstreamUrl: upstream.url }
  const gw = await gateway(t, options)
  const key = await limitedKey(gw, { requestsPerMinute: 5 })
  const budget = await limitedKey(gw, { tokensTotal: 1000 })
  const ask = async (secret: string): Promise<number> => (await send(gw.url + CHAT, { key: secret, body: BODY })).status
  process.kill(server.pid, 'SIGSTOP')
  const statuses: number[] = []
  for (let asked = 0; asked < 8; asked++) statuses.push(await ask(key.secret))
  t.strictSame(statuses, [200, 200, 200, 200, 200, 429, 429, 429])
  t.equal(await ask(budget.secret), 503, 'of a budget nothing was known when Redis went')
  process.kill(server.pid, 'SIGCONT')
  await until(async () => (await send(`${gw.url}/api/keys`, { key: gw.adminKey })).status === 200, SOON_MS)
  // What was asked of it before it counted as away it does when it thaws, and that is given back.
  await until(async () => {
    const { total, reserved } = await usageOf(gw, key.id)
    return total.tokens === 20 && reserved.generations === 0
  }, SOON_MS)
  t.equal(await ask(key.secret), 429, 'they count on')
  t.equal(await ask(budget.secret), 200)
})

t.test('keys and budgets outlive the Redis of the cache', async (t) => {
  const [cache, queues] = [await privateRedis(t), await privateRedis(t)]
  const upstream = await answering(t)
  const gw = await gateway(t, {
    redis: { url: cache.url, keyPrefix: 'k' },
    upstreamUrl: upstream.url,
    env: { LOOPGATE_QUEUE_REDIS_URL: queues.url },
  })
  const key = await limitedKey(gw, { tokensTotal: 100 })
  process.kill(cache.pid, 'SIGKILL')
  t.equal((await send(gw.url + CHAT, { key: key.secret, body: BODY })).status, 200)
  await until(async () => (await usageOf(gw, key.id)).total.tokens === 4, SOON_MS)
})

t.test('one tenant that has spent all leaves the others alone, and sees nothing of them', async (t) => {
  const upstream = await answering(t)
  const gw = await gateway(t, { upstreamUrl: upstream.url })
  const one = await limitedKey(gw, {}, { tenant: 'umbrella' })
  const two = await limitedKey(gw, {}, { tenant: 'hooli' })
  const limits = { requestsPerMinute: 1 }
  await send(`${gw.url}/api/tenants/umbrella`, { method: 'PUT', key: gw.adminKey, body: { limits } })
  t.match((await send(`${gw.url}/api/tenants/umbrella`, { key: gw.adminKey })).json, { tenant: 'umbrella', limits })
  t.equal((await send(`${gw.url}/api/tenants/hooli`, { key: gw.adminKey })).status, 404)
  const ask = (key: string) => send(gw.url + CHAT, { key, body: BODY })
  t.equal((await ask(one.secret)).status, 200)
  const refused = await ask(one.secret)
  t.match(refused, { status: 429, json: { error: { message: /The tenant is limited to 1 requests a minute/ } } })
  t.ok(Number(refused.headers.get('retry-after-ms')) > 0)
  for (const _ of [1, 2, 3]) t.equal((await ask(two.secret)).status, 200)
  for (const path of ['/api/keys', `/api/keys/${two.id}`, '/api/tenants/hooli/usage', '/api/audit']) {
    const reply = await send(gw.url + path, { key: one.secret })
    t.equal(reply.status, 403)
    t.notMatch(reply.text, /hooli/)
  }
})

t.test('the secret of a key is in the reply that made it and nowhere else', async (t) => {
  const store = await redis(t)
  const upstream = await answering(t)
  const gw = await gatewayProcess(t, {
    redis: store,
    upstreamUrl: upstream.url,
    env: { LOOPGATE_LOG_LEVEL: 'trace' },
  })
  const key = await limitedKey(gw, { requestsPerMinute: 2, tokensTotal: 1000 })
  const rotated = await send(`${gw.url}/api/keys/${key.id}/rotate`, { key: gw.adminKey, body: {} })
  const secrets = [key.secret, String(rotated.json['secret'])]
  const replies: string[] = []
  const say = async (...asked: Parameters<typeof send>): Promise<void> => {
    const { headers, text } = await send(...asked)
    replies.push(`${JSON.stringify([...headers])} ${text}`)
  }
  for (const secret of secrets) {
    for (const _ of [1, 2]) await say(gw.url + CHAT, { key: secret, body: BODY })
    await say(gw.url + CHAT, { key: secret, body: { ...BODY, max_tokens: 1_000_000 } })
    await say(`${gw.url}/api/keys/${secret}`, { key: gw.adminKey })
    await say(`${gw.url}/api/keys/${key.id}`, { key: secret })
    await say(`${gw.url}/api/keys/${key.id}`, { method: 'PATCH', key: gw.adminKey, body: { [secret]: 1 } })
  }
  // What a caller sends where it does not belong comes back to that caller alone.
  replies.length = 0
  for (const path of ['/api/keys', `/api/keys/${key.id}`, `/api/keys/${key.id}/usage`, '/api/audit', '/metrics']) {
    await say(gw.url + path, { key: gw.adminKey })
  }
  await send(`${gw.url}/api/keys/${key.id}`, { method: 'DELETE', key: gw.adminKey })
  const exited = once(gw.child, 'exit')
  gw.child.kill('SIGTERM')
  await exited
  const kept: string[] = []
  for await (const names of store.client.scanStream({ match: `*${store.keyPrefix}*` })) {
    for (const name of names as string[]) {
      kept.push(`${name} ${(await store.client.dumpBuffer(name))?.toString('latin1') ?? ''}`)
      if ((await store.client.type(name)) === 'stream')
        kept.push(JSON.stringify(await store.client.xrange(name, '-', '+')))
      if ((await store.client.type(name)) === 'hash') kept.push(JSON.stringify(await store.client.hgetall(name)))
    }
  }
  t.ok(kept.join().includes(key.id))
  for (const secret of secrets) {
    for (const [where, text] of Object.entries({ log: gw.output(), replies: replies.join(), redis: kept.join() })) {
      const at = text.indexOf(secret)
      t.equal(at < 0 ? '' : text.slice(Math.max(0, at - 200), at + 100), '', where)
    }
  }
})
