import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import t from 'tap'
import { post, QUESTION } from './kit.ts'
import { env, follows, metric, until } from './replica-kit.ts'

t.test(
  'who follows on another replica is told as much as the leader’s own caller while the leader waits',
  async (t) => {
    const sim = await cerebrasSim(t)
    // The sixth waits for twelve seconds.
    const limits = JSON.stringify({ '*': { '*': { requestsPerMinute: 5 } } })
    const options = { upstreamUrl: sim.url, redis: await redis(t), env: { ...env, LOOPGATE_UPSTREAM_LIMITS: limits } }
    const [leader, other] = [await gateway(t, options), await gateway(t, options)]
    await until(async () => (await metric(other, 'loopgate_replica_peers')) === 1)
    for (let n = 0; n < 5; n++) t.equal((await post(leader, QUESTION)).status, 200)

    const shared = { ...QUESTION, temperature: 0, stream: true }
    const own = post(leader, shared)
    await until(async () => (await metric(leader, 'loopgate_queue_depth{class="interactive"}')) === 1)
    const [streamed, whole] = [post(other, shared), post(other, { ...shared, stream: false })]
    await follows(other)

    const [first, second, third] = await Promise.all([own, streamed, whole])
    for (const { status, text } of [first, second]) {
      t.equal(status, 200)
      t.match(text, /^(: waiting\n\n)+data: [^]*\n\ndata: \[DONE\]/)
    }
    t.equal(third.status, 200)
    const expected = [first, second, third].map(({ headers }) => headers.get('x-loopgate-expected-wait-ms'))
    t.ok(Number(expected[0]) > 5000, `${expected[0]} ms`)
    t.strictSame(expected, [expected[0], expected[0], expected[0]])
    const outcomes = [first, second, third].map(({ headers }) => headers.get('x-loopgate-cache'))
    t.strictSame(outcomes, ['miss', 'coalesced', 'coalesced'])
    t.equal((await sim.stats()).requests, 6)
  },
)
