import { gateway } from '@loopgate/testkit/gateway'
import { answerJson, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { send } from '../kit/http.ts'
import { limitedKey, usageOf } from '../kit/keys.ts'

const SOON_MS = 20_000
const CHAT = '/v1/chat/completions'
const BODY = { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'x' }], max_completion_tokens: 10 }
const ANSWER = {
  id: 'c',
  model: 'gpt-oss-120b',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
}
/** One request a minute at the upstream: the second has to wait. */
const FULL = { LOOPGATE_UPSTREAM_LIMITS: JSON.stringify({ '*': { '*': { requestsPerMinute: 1 } } }) }

for (const stream of [false, true]) {
  t.test(
    `a completion that waits for the upstream, ${stream ? 'streamed' : 'whole'}: held, and nothing is once its caller has gone`,
    async (t) => {
      const upstream = await scratchUpstream(t, (call) => answerJson(call, 200, ANSWER))
      const gw = await gateway(t, { upstreamUrl: upstream.url, env: FULL })
      const key = await limitedKey(gw, { tokensPerMinute: 10_000, concurrentGenerations: 5 })
      t.equal((await send(gw.url + CHAT, { key: key.secret, body: BODY })).status, 200)

      const deadline = { 'x-loopgate-deadline-ms': '0' }
      const refused = await send(gw.url + CHAT, { key: key.secret, body: { ...BODY, stream }, headers: deadline })
      t.equal(refused.status, 429)
      await until(async () => (await usageOf(gw, key.id)).reserved.generations === 0, SOON_MS)

      const left = new AbortController()
      const waits = send(gw.url + CHAT, { key: key.secret, body: { ...BODY, stream }, signal: left.signal })
      await until(async () => (await usageOf(gw, key.id)).reserved.generations === 1, SOON_MS)
      left.abort()
      await t.rejects(waits)
      await until(async () => (await usageOf(gw, key.id)).reserved.generations === 0, SOON_MS)
      t.equal(upstream.calls.length, 1)
      t.match(await usageOf(gw, key.id), { reserved: { tokens: 0 }, total: { tokens: 4 }, minute: { requests: 3 } })
    },
  )
}

t.test('a flight that many share is paid for once, by whoever leads it, though it leaves', async (t) => {
  const upstream = await scratchUpstream(t, () => {})
  const gw = await gateway(t, { upstreamUrl: upstream.url })
  const [leader, follower] = [await limitedKey(gw, { tokensTotal: 1000 }), await limitedKey(gw, { tokensTotal: 1000 })]
  const body = { ...BODY, temperature: 0 }
  const left = new AbortController()
  const leads = send(gw.url + CHAT, { key: leader.secret, body, signal: left.signal }).catch(() => null)
  const { response } = await upstream.call(1)
  const follows = send(gw.url + CHAT, { key: follower.secret, body })
  await until(async () => (await usageOf(gw, follower.id)).reserved.generations === 1, SOON_MS)
  left.abort()
  await leads
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(ANSWER))
  t.match(await follows, { status: 200 })
  for (const { id } of [leader, follower]) {
    await until(async () => (await usageOf(gw, id)).reserved.generations === 0, SOON_MS)
  }
  t.match(await usageOf(gw, leader.id), { total: { tokens: 4 } })
  t.match(await usageOf(gw, follower.id), { total: { tokens: 0, microUsd: 0 }, minute: { requests: 1 } })
})
