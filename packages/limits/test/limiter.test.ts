import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { generation, payer, replicas } from './kit.ts'

t.test('fifty callers at once on three replicas never hold more than the limit', async (t) => {
  const three = await replicas(t, 3)
  const who = payer({ tokensPerMinute: 100 })
  const asked = await Promise.allSettled(
    Array.from({ length: 50 }, async (_, index) => await three[index % 3]?.limiter.reserve(who, generation(9))),
  )
  const given = asked.filter(({ status }) => status === 'fulfilled')
  t.equal(given.length, 11, '11 x 9 = 99 tokens')
  t.equal((await three[0]?.limiter.usage('acme', 'k1'))?.reserved.tokens, 99)
  for (const { reason } of asked.filter((each) => each.status === 'rejected')) {
    t.match(reason, { code: 'LG_LIMIT_REACHED', statusCode: 429, message: /limited to 100 tokens a minute/ })
    t.ok(reason.retryAfterMs > 0)
  }
})

t.test('a replica that dies gives back what it held when its leases lapse; one that lives keeps it', async (t) => {
  const [dead, alive] = await replicas(t, 2, { leaseMs: 600 })
  const who = payer({ concurrentGenerations: 2 })
  await dead?.limiter.reserve(who, generation(5))
  await alive?.limiter.reserve(who, generation(7))
  if (dead !== undefined) dead.link.away = true
  const reserved = async () => (await alive?.limiter.usage('acme', 'k1'))?.reserved
  t.match(await reserved(), { tokens: 12, generations: 2 })
  await t.rejects(Promise.resolve(alive?.limiter.reserve(who, generation(1))), { code: 'LG_LIMIT_REACHED' })
  await until(async () => (await reserved())?.tokens === 7, 20_000)
  const used = await alive?.limiter.usage('acme', 'k1')
  t.match(used, { reserved: { generations: 1 }, total: { tokens: 5 } }, 'what it may have used counts in full')
  await alive?.limiter.reserve(who, generation(1))
})

t.test('a request that one limit refuses uses up none of the others', async (t) => {
  const [one] = await replicas(t, 1)
  const who = payer({ requestsPerMinute: 5, tokensPerMinute: 100 }, { tokensTotal: 10 })
  for (const _ of [1, 2, 3]) {
    await t.rejects(Promise.resolve(one?.limiter.reserve(who, generation(11))), {
      code: 'LG_BUDGET_SPENT',
      statusCode: 402,
      message: /The tenant is limited to 10 tokens in total/,
    })
  }
  t.match(await one?.limiter.usage('acme', 'k1'), { minute: { requests: 0, tokens: 0 }, reserved: { generations: 0 } })
  await one?.limiter.reserve(who, generation(10))
})

t.test('what was used is settled once, whoever settles twice, and what has no limit is counted too', async (t) => {
  const [one] = await replicas(t, 1)
  const limited = await one?.limiter.reserve(payer({ tokensPerDay: 100 }), generation(50, 7))
  for (const _ of [1, 2]) limited?.settle({ tokens: 20, microUsd: 3 })
  const free = await one?.limiter.reserve(payer({}), generation(50))
  for (const _ of [1, 2]) free?.settle({ tokens: 5, microUsd: 1 })
  t.match(await one?.limiter.usage('acme', null), {
    minute: { requests: 2, tokens: 25 },
    day: { tokens: 25, microUsd: 4 },
    total: { tokens: 25, microUsd: 4 },
    reserved: { tokens: 0, microUsd: 0, generations: 0 },
  })
})

t.test('a key without limits costs no command, and is given room at once', async (t) => {
  const [one] = await replicas(t, 1)
  t.notOk(one?.limiter.reserve(payer({}), generation(1)) instanceof Promise)
  const limited = one?.limiter.reserve(payer({ tokensTotal: 5 }), generation(1))
  t.ok(limited instanceof Promise)
  await limited
})

t.test('while Redis is away each replica allows its share, and a budget that is not known nothing', async (t) => {
  const two = await replicas(t, 2)
  const who = payer({ concurrentGenerations: 5 })
  const budget = payer({ tokensTotal: 100 })
  const known = await two[0]?.limiter.reserve(budget, generation(40))
  known?.settle({ tokens: 40, microUsd: 0 })
  t.match(await two[0]?.limiter.usage('acme', 'k1'), { total: { tokens: 40 } })
  const learnt = await two[0]?.limiter.reserve(budget, generation(0))
  learnt?.settle({ tokens: 0, microUsd: 0 })
  for (const { link } of two) link.away = true
  const given: PromiseSettledResult<unknown>[] = []
  for (const { limiter } of two) {
    for (const _ of [1, 2, 3, 4]) given.push(...(await Promise.allSettled([limiter.reserve(who, generation(1))])))
  }
  t.equal(given.filter(({ status }) => status === 'fulfilled').length, 4, 'two of five each')
  await t.rejects(Promise.resolve(two[1]?.limiter.reserve(budget, generation(1))), { code: 'LG_STORE_UNAVAILABLE' })
  await t.rejects(Promise.resolve(two[0]?.limiter.reserve(budget, generation(29))), { code: 'LG_BUDGET_SPENT' })
  // Two of its half of the sixty that are left are held by the completions above.
  const share = await two[0]?.limiter.reserve(budget, generation(28))
  share?.settle({ tokens: 30, microUsd: 0 })
  for (const { link } of two) link.away = false
  await until(async () => (await two[1]?.limiter.usage('acme', 'k1'))?.total.tokens === 70, 20_000)
})

t.test('what was given out while Redis was away is held there once it is back, and settled once', async (t) => {
  const [one, two] = await replicas(t, 2)
  const who = payer({ concurrentGenerations: 4 })
  if (one === undefined || two === undefined) throw new Error('two were made')
  one.link.away = true
  const [kept, ended] = [await one.limiter.reserve(who, generation(3)), await one.limiter.reserve(who, generation(5))]
  one.link.away = false
  ended.settle({ tokens: 5, microUsd: 0 })
  const more = await one.limiter.reserve(who, generation(1))
  t.match(await two.limiter.usage('acme', 'k1'), { reserved: { generations: 2, tokens: 4 }, total: { tokens: 5 } })
  for (const reservation of [kept, more, kept]) reservation.settle({ tokens: 2, microUsd: 0 })
  await until(async () => (await two.limiter.usage('acme', 'k1'))?.reserved.generations === 0, 20_000)
  t.match(await two.limiter.usage('acme', 'k1'), { minute: { requests: 3 }, total: { tokens: 9 } })
})

t.test('what is held and spent is told by tenant, and by nothing else', async (t) => {
  const [one] = await replicas(t, 1)
  const reservation = await one?.limiter.reserve(payer({ tokensPerDay: 100 }), generation(30, 2))
  t.match(await one?.registry.metrics(), /^loopgate_reserved_tokens\{tenant="acme"\} 30$/m)
  reservation?.settle({ tokens: 20, microUsd: 1_500_000 })
  const text = (await one?.registry.metrics()) ?? ''
  t.match(text, /^loopgate_reserved_tokens\{tenant="acme"\} 0$/m)
  t.match(text, /^loopgate_reserved_requests\{tenant="acme"\} 0$/m)
  t.match(text, /^loopgate_spent_tokens_total\{tenant="acme"\} 20$/m)
  t.match(text, /^loopgate_spent_usd_total\{tenant="acme"\} 1\.5$/m)
  t.notMatch(text, /k1/)
})
