import { createLogger, systemClock } from '@loopgate/service-kit'
import { redis } from '@loopgate/testkit/redis'
import { until } from '@loopgate/testkit/until'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { createConnection } from '../../src/cache/connection.ts'
import { type Amounts, NOTHING } from '../../src/schedule/buckets/amounts.ts'
import { createBank, type Report, type Reply } from '../../src/schedule/buckets/bank.ts'
import { bucketKeys } from '../../src/schedule/buckets/keys.ts'
import { FLOOR } from '../../src/schedule/buckets/levels.ts'
import { WINDOWS } from '../../src/schedule/buckets/windows.ts'

const LIMIT = { requests: 1000, tokens: 1_000_000, totalTokens: 3_000_000 }
const LIMITED = ['requestsPerMinute', 'tokensPerMinute', 'totalTokensPerMinute']
/** What is refilled while a test runs must not matter: this much of each bucket in ten seconds. */
const REFILL = 1 / 6

const amounts = (requests: number, tokens: number): Amounts => ({ requests, tokens, totalTokens: tokens })

async function banks(t: Test, leaseMs = 10_000) {
  const { url, keyPrefix, client } = await redis(t)
  const connection = createConnection({ clock: systemClock, logger: createLogger('test', 'silent') }, url, 1000)
  t.teardown(() => connection.close())
  let serial = 0
  const replica = (name: string) => {
    const bank = createBank({ connection }, { prefix: keyPrefix, replica: name, leaseMs })
    return async (model: string, report: Partial<Report>, limited = true): Promise<Reply> => {
      const full: Report = {
        epoch: 0,
        pauseMs: 0,
        used: NOTHING,
        inFlight: NOTHING,
        keep: NOTHING,
        want: NOTHING,
        least: NOTHING,
        windows: WINDOWS.map(({ name, currency }) => ({
          limit: limited && LIMITED.includes(name) ? LIMIT[currency] : null,
          replaces: false,
          level: LIMIT[currency],
          correction: 0,
        })),
        ...report,
      }
      const reply = await bank.exchange('org', model, full)
      if (reply === null) throw new Error('Redis is away')
      return reply
    }
  }
  return { replica, client, keyPrefix, model: () => `model-${serial++}` }
}

t.test('whatever replicas ask for, use and keep: what they hold and have used is never above the limit', async (t) => {
  const { replica, model } = await banks(t)
  const replicas = ['a', 'b', 'c'].map((name) => replica(name))
  const step = fc.record({
    who: fc.nat(2),
    want: fc.tuple(fc.nat(400), fc.nat(500_000)),
    least: fc.option(fc.nat(200_000)),
    // Parts of what was given that are in flight, and of what is in flight that is over.
    starts: fc.double({ min: 0, max: 1, noNaN: true }),
    ends: fc.double({ min: 0, max: 1, noNaN: true }),
    uses: fc.double({ min: 0, max: 1, noNaN: true }),
    keeps: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  const part = (of: Amounts, factor: number): Amounts => ({
    requests: Math.floor(of.requests * factor),
    tokens: Math.floor(of.tokens * factor),
    totalTokens: Math.floor(of.totalTokens * factor),
  })
  const add = (a: Amounts, b: Amounts, sign = 1): Amounts => ({
    requests: a.requests + sign * b.requests,
    tokens: a.tokens + sign * b.tokens,
    totalTokens: a.totalTokens + sign * b.totalTokens,
  })
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
    const name = model()
    const states = replicas.map(() => ({ spare: NOTHING, inFlight: NOTHING }))
    let used = NOTHING
    const startedAt = Date.now()
    for (const { who, want, least, starts, ends, uses, keeps } of steps) {
      const state = states[who] as { spare: Amounts; inFlight: Amounts }
      const started = part(state.spare, starts)
      const over = part(state.inFlight, ends)
      const spent = part(over, uses)
      state.inFlight = add(add(state.inFlight, started), over, -1)
      state.spare = add(add(add(state.spare, started, -1), over), spent, -1)
      const keep = part(state.spare, keeps)
      const reply = await (replicas[who] as ReturnType<typeof replica>)(name, {
        used: spent,
        inFlight: state.inFlight,
        keep,
        want: amounts(...want),
        least: least === null ? NOTHING : amounts(1, least),
      })
      state.spare = reply.given
      used = add(used, spent)
      const all = states.reduce((sum, each) => add(add(sum, each.inFlight), each.spare), used)
      for (const currency of ['requests', 'tokens', 'totalTokens'] as const) {
        const most = 1 - (currency === 'requests' ? 0 : FLOOR) + (Date.now() - startedAt + 5) / 60_000
        if (most > 1 + REFILL) throw new Error('too slow to tell')
        if (all[currency] > LIMIT[currency] * most + 1) return false
      }
    }
    return true
  })
  await fc.assert(property, { numRuns: 60 })
})

t.test('what one replica does not keep another can have at once', async (t) => {
  const { replica, model } = await banks(t)
  const [a, b, name] = [replica('a'), replica('b'), model()]
  t.equal((await a(name, { want: amounts(2000, 2_000_000) })).given.tokens, 990_000)
  t.equal((await b(name, { want: amounts(10, 1000) })).given.tokens, 0)
  await a(name, {})
  t.equal((await b(name, { want: amounts(10, 1000) })).given.tokens, 1000)
})

t.test('a replica that dies loses its lease, and counts as having used all that it held', async (t) => {
  const { replica, model, client, keyPrefix } = await banks(t, 50)
  const [a, b, name] = [replica('a'), replica('b'), model()]
  const [, leases] = bucketKeys(keyPrefix, 'org', name)
  await a(name, { want: amounts(400, 400_000) })
  t.equal((await b(name, {})).replicas, 2)
  await until(async () => {
    const [first] = await client.zrangebyscore(leases, '-inf', Date.now() - 1)
    return first === 'a'
  }, 5000)
  const reply = await b(name, { want: amounts(1000, 1_000_000) })
  t.equal(reply.replicas, 1)
  t.ok(reply.given.tokens >= 590_000 && reply.given.tokens < 620_000, `${reply.given.tokens} of what is left`)
  t.equal(await client.zscore(leases, 'a'), null)
})

t.test('a request that does not fit has its turn before smaller ones of other replicas', async (t) => {
  const { replica, model } = await banks(t)
  const [a, b, c, name] = [replica('a'), replica('b'), replica('c'), model()]
  await a(name, { inFlight: amounts(1, 700_000) })
  t.equal((await b(name, { least: amounts(1, 500_000), want: amounts(1, 500_000) })).given.tokens, 0)
  // Without the turn there would be 290,000 for it.
  t.equal((await c(name, { least: amounts(1, 1000), want: amounts(1, 1000) })).given.tokens, 0)
  await a(name, {})
  t.equal((await b(name, { least: amounts(1, 500_000), want: amounts(1, 500_000) })).given.tokens, 500_000)
  t.equal((await c(name, { least: amounts(1, 1000), want: amounts(1, 1000) })).given.tokens, 1000)
})

t.test('one difference that several replicas have seen is corrected once', async (t) => {
  const { replica, model } = await banks(t)
  const [a, b, name] = [replica('a'), replica('b'), model()]
  const tokensPerMinute = WINDOWS.findIndex((window) => window.name === 'tokensPerMinute')
  const first = await a(name, {})
  const windows = WINDOWS.map((_, index) => ({
    limit: first.windows[index]?.capacity ?? null,
    replaces: false,
    level: 0,
    correction: index === tokensPerMinute ? -300_000 : 0,
  }))
  const corrected = await a(name, { windows, epoch: first.epoch })
  t.equal(corrected.epoch, first.epoch + 1)
  const again = await b(name, { windows, epoch: first.epoch })
  const level = again.windows[tokensPerMinute]?.level ?? 0
  t.ok(level >= 700_000 && level < 750_000, `${level}`)
})

t.test(
  'a pause that one replica meets holds for all, and a limit that the provider names replaces the old one',
  async (t) => {
    const { replica, model } = await banks(t)
    const [a, b, name] = [replica('a'), replica('b'), model()]
    await a(name, { pauseMs: 5000 })
    const { pauseMs } = await b(name, {})
    t.ok(pauseMs > 3000 && pauseMs <= 5000, `${pauseMs}`)
    const windows = WINDOWS.map(({ name: window }) => ({
      limit: window === 'tokensPerMinute' ? 500_000 : null,
      replaces: true,
      level: 0,
      correction: 0,
    }))
    const reply = await a(name, { windows, want: amounts(1, 900_000) })
    t.equal(reply.given.tokens, 495_000)
  },
)

t.test('of a model of which nothing is known nothing is kept', async (t) => {
  const { replica, model, client, keyPrefix } = await banks(t)
  const name = model()
  const reply = await replica('a')(name, { inFlight: amounts(3, 3000), used: amounts(1, 100) }, false)
  t.same(
    reply.windows,
    WINDOWS.map(() => null),
  )
  t.equal(await client.exists(...bucketKeys(keyPrefix, 'org', name)), 0)
})
