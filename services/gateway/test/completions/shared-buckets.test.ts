import { sumOf } from '@loopgate/testkit/metrics'
import { privateRedis, redis } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import t, { type Test } from 'tap'
import { post, QUESTION } from './kit.ts'
import { env as common, metric, processes, until } from './replica-kit.ts'

type Gate = { readonly url: string; readonly apiKey: string }

const DAY = 1_000_000_000
const quota = (requestsPerMinute: number, tokensPerMinute: number) => ({
  requests: { minute: requestsPerMinute, hour: DAY, day: DAY },
  tokens: { minute: tokensPerMinute, hour: DAY, day: DAY },
})
/** A provider whose one organisation has these limits, and a way to tell gateways of them before any reply. */
async function provider(t: Test, requestsPerMinute: number, tokensPerMinute: number) {
  const sim = await cerebrasSim(t, { quotas: { test: quota(requestsPerMinute, tokensPerMinute) } })
  const told = JSON.stringify({ '*': { '*': { requestsPerMinute, tokensPerMinute } } })
  return { sim, env: { LOOPGATE_UPSTREAM_LIMITS: told } }
}

const small = { ...QUESTION, max_completion_tokens: 10 }
const PATIENT = { 'x-loopgate-deadline-ms': '3600000' }
const AT_ONCE = { 'x-loopgate-deadline-ms': '0' }

/** So many calls, spread over the gateways. */
const crowd = (gates: readonly Gate[], count: number, body: object) =>
  Promise.all(Array.from({ length: count }, (_, n) => post(gates[n % gates.length] as Gate, body, PATIENT)))

const CALLS = 'loopgate_upstream_answers_total{upstream="cerebras",organisation="default",result='

for (const [what, requests, tokens, count, body] of [
  ['requests', 300, 10_000_000, 315, small],
  // Each reserves 10,000 and uses a fraction of it: ten at a time.
  ['tokens', 100_000, 100_000, 120, { ...QUESTION, max_completion_tokens: 9900 }],
] as const) {
  t.test(`three gateways together let through what one bucket of ${what} holds, and all are served`, async (t) => {
    const { sim, env } = await provider(t, requests, tokens)
    const gates = await processes(t, 3, { upstreamUrl: sim.url, redis: await redis(t), env: { ...common, ...env } })
    const replies = await crowd(gates, count, body)
    t.strictSame(new Set(replies.map(({ status }) => status)), new Set([200]))
    // The provider and Redis each refill by a clock of their own, and round.
    const { requests: sent } = await sim.stats()
    t.ok(sent <= count + 2, `${sent} sent for ${count}: nothing that the provider refused`)
    t.equal(await sumOf(gates, `${CALLS}"ok"}`), count)
    const served = await Promise.all(gates.map((gate) => metric(gate, `${CALLS}"ok"}`)))
    t.strictSame(served, [count / 3, count / 3, count / 3], 'and each had its callers')
  })
}

t.test('a bucket that nobody knew of: the first crowd is refused by the provider, and no caller sees it', async (t) => {
  const { sim } = await provider(t, 300, 10_000_000)
  const gates = await processes(t, 3, { upstreamUrl: sim.url, redis: await redis(t), env: common })
  const replies = await crowd(gates, 315, small)
  t.strictSame(new Set(replies.map(({ status }) => status)), new Set([200]))
  t.equal(await sumOf(gates, `${CALLS}"ok"}`), 315)
  // Those that were on their way when the first refusal came; from then on all know the limit.
  t.ok((await sim.stats()).requests <= 315 * 1.2, `${(await sim.stats()).requests} calls for 315`)
})

t.test(
  'with Redis frozen each gateway goes on with its share, never above the bucket; then they share again',
  async (t) => {
    const server = await privateRedis(t)
    const { sim, env } = await provider(t, 240, 10_000_000)
    const [one, two] = await processes(t, 2, {
      upstreamUrl: sim.url,
      redis: { url: server.url, keyPrefix: 'k' },
      env: { ...common, ...env, LOOPGATE_CACHE_TIMEOUT_MS: '150', LOOPGATE_REPLICA_TTL_MS: '60000' },
    })
    for (const gate of [one, two]) for (let n = 0; n < 5; n++) t.equal((await post(gate, small)).status, 200)

    process.kill(server.pid, 'SIGSTOP')
    const spend = async (gate: Gate): Promise<number> => {
      for (let through = 0; ; through++) if ((await post(gate, small, AT_ONCE)).status !== 200) return through
    }
    const through = await Promise.all([spend(one), spend(two)])
    t.ok(through[0] + through[1] < 240, 'what was given ends')
    const patient = await crowd([one, two], 4, small)
    t.strictSame(new Set(patient.map(({ status }) => status)), new Set([200]), 'and what is refilled is there for both')
    t.ok((await sumOf([one, two], `${CALLS}"requests_exhausted"}`)) <= 2, 'the provider has refused nothing')

    process.kill(server.pid, 'SIGCONT')
    // A refusal that the one meets is known to the other only through Redis.
    await sim.faults({ kind: 'token_quota_exceeded', count: 1, retryAfterSeconds: 50 })
    const left = new AbortController()
    const meets = fetch(`${one.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${one.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(small),
      signal: left.signal,
    }).catch(() => null)
    await until(async () => (await metric(one, `${CALLS}"tokens_exhausted"}`)) === 1)
    await until(async () => {
      const { status, headers } = await post(two, small, AT_ONCE)
      return status === 429 && Number(headers.get('retry-after')) > 30
    })
    t.equal(await metric(two, `${CALLS}"tokens_exhausted"}`), 0)
    left.abort()
    await meets
  },
)
