import type { NewKey } from '@loopgate/contracts'
import { createLogger, systemClock } from '@loopgate/service-kit'
import { privateRedis } from '@loopgate/testkit/redis'
import { until } from '@loopgate/testkit/until'
import type { Test } from 'tap'
import t from 'tap'
import { createKeyAdministration, createRing } from '../src/index.ts'
import { linkTo } from './kit.ts'

const NEW: NewKey = { tenant: 'acme', name: 'ci', scopes: ['complete'] }
const KEY_PREFIX = 'ring'
const SOON_MS = 20_000

/** A replica's ring and its administration, and how many commands the ring has sent. */
function replica(t: Test, url: string) {
  const link = linkTo(t, url)
  const deps = { link, clock: systemClock, logger: createLogger('test', 'silent') }
  const ring = createRing(deps, { keyPrefix: KEY_PREFIX, configured: [] })
  t.teardown(() => ring.close())
  return { link, ring, administration: createKeyAdministration({ ...deps, ring }, { keyPrefix: KEY_PREFIX }) }
}

t.test('a replica that was cut off learns all that it has missed', async (t) => {
  const { url } = await privateRedis(t)
  const [one, two] = [replica(t, url), replica(t, url)]
  const first = await one.administration.create('test', NEW)
  await until(() => two.ring.mirror().records.size === 1, SOON_MS)
  two.link.away = true
  await one.administration.revoke('test', first.id)
  const second = await one.administration.create('test', { ...NEW, limits: { requestsPerMinute: 3 } })
  await one.administration.setTenant('test', 'acme', { tokensTotal: 7 })
  t.notOk(await two.ring.refresh())
  t.equal(two.ring.mirror().records.size, 1, 'the last mirror goes on')
  two.link.away = false
  await until(() => two.ring.mirror().records.size === 2, SOON_MS)
  t.match(two.ring.mirror().records.get(first.id), { revokedAt: /Z$/ })
  t.match(two.ring.payer('acme', second.id).limits, { key: { requestsPerMinute: 3 }, tenant: { tokensTotal: 7 } })
  t.strictSame(
    two.ring.payer('acme', first.id).limits,
    { key: {}, tenant: { tokensTotal: 7 } },
    'gone: the tenant pays',
  )
})

t.test('one change among thousands of keys is one record to read', async (t) => {
  const { url } = await privateRedis(t)
  const [one, two] = [replica(t, url), replica(t, url)]
  const { id } = await one.administration.create('test', NEW)
  await two.ring.refresh()
  await one.administration.change('test', id, { name: 'other' })
  const commands = async (): Promise<string> => (await one.link.attempt((redis) => redis.info('commandstats'))) ?? ''
  const whole = /cmdstat_hgetall:calls=(\d+)/.exec(await commands())?.[1]
  await two.ring.refresh()
  t.equal(two.ring.mirror().records.get(id)?.name, 'other')
  t.equal(/cmdstat_hgetall:calls=(\d+)/.exec(await commands())?.[1], whole)
})

t.test('a Redis that has lost the keys revokes nobody, and a new ring counts', async (t) => {
  const { url } = await privateRedis(t)
  const { ring, link, administration } = replica(t, url)
  const { id } = await administration.create('test', NEW)
  await link.attempt((redis) => redis.flushall())
  t.ok(await ring.refresh())
  t.ok(ring.mirror().records.has(id))
  const after = await administration.create('test', NEW)
  t.strictSame([...ring.mirror().records.keys()], [after.id])
})

t.test('changes at once are all made, and each is told once', async (t) => {
  const { url } = await privateRedis(t)
  const [one, two] = [replica(t, url), replica(t, url)]
  const { id } = await one.administration.create('test', NEW)
  const both = [one, two].flatMap(({ administration }) => [
    administration.change('test', id, { name: 'a' }),
    administration.change('test', id, { labels: { b: 'c' } }),
  ])
  await Promise.all(both)
  t.match(await one.administration.get(id), { name: 'a', labels: { b: 'c' } })
  t.equal((await one.administration.audit(null, 100)).length, 5)
})
