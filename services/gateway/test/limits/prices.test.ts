import { fetchPublicModels } from '@loopgate/cerebras'
import { createPriceList, readPublished } from '@loopgate/limits'
import { createLogger } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { refreshPrices } from '../../src/keys/refresh-prices.ts'

const SOON_MS = 20_000
const MILLION = 1_000_000
const logger = createLogger('test', 'silent')
const listing = (...entries: unknown[]): Buffer => Buffer.from(JSON.stringify({ object: 'list', data: entries }))
const entry = (id: string, prompt: unknown, completion: unknown) => ({ id, pricing: { prompt, completion } })

t.test('money is counted in whole micro-USD, rounded up for the whole request', (t) => {
  const prices = createPriceList({ cheap: { promptMicroUsdPerMillion: 1, completionMicroUsdPerMillion: 1 } })
  t.strictSame(prices.amount('gpt-oss-120b', MILLION, MILLION), { tokens: 2 * MILLION, microUsd: 1_100_000 })
  t.strictSame(prices.amount('gpt-oss-120b', 1, 1), { tokens: 2, microUsd: 2 })
  t.equal(prices.amount('cheap', 1, 0).microUsd, 1)
  t.equal(prices.amount('cheap', 0, 0).microUsd, 0)
  t.equal(prices.amount('never-heard-of', MILLION, 0).microUsd, 2_250_000, 'as the dearest')
  t.equal(prices.amount('constructor', MILLION, 0).microUsd, 2_250_000)
  t.end()
})

t.test('what the operator says counts before what is published, and that before the catalogue', (t) => {
  const prices = createPriceList({ mine: { promptMicroUsdPerMillion: 7, completionMicroUsdPerMillion: 7 } })
  prices.learn(readPublished(listing(entry('mine', '0.5', '0.5'), entry('gpt-oss-120b', '0.00000045', '0.000001'))))
  t.equal(prices.amount('mine', MILLION, 0).microUsd, 7)
  t.equal(prices.amount('gpt-oss-120b', MILLION, MILLION).microUsd, 1_450_000)
  t.equal(prices.amount('zai-glm-4.7', MILLION, 0).microUsd, 2_250_000, 'not in the listing')
  t.end()
})

t.test('a price that makes no sense is not taken', (t) => {
  const odd = ['-1', 'NaN', '1e-7', '', '2', '0x1', null, 5, '9'.repeat(39)]
  const read = readPublished(
    listing(...odd.map((price, index) => entry(`m${index}`, price, '0.000001')), null, 'x', {}),
  )
  t.strictSame(read, {})
  t.throws(() => readPublished(Buffer.from('<html>')))
  t.throws(() => readPublished(Buffer.from('{"models":[]}')))
  t.end()
})

t.test('the catalogue that the upstream publishes is taken over, hour by hour', async (t) => {
  const sim = await cerebrasSim(t)
  const clock = manualClock()
  const learnt: unknown[] = []
  const publicModels = () => fetchPublicModels(sim.url)
  const { stop } = refreshPrices({ prices: { learn: (prices) => learnt.push(prices) }, publicModels, clock, logger })
  clock.advance(60_000)
  await until(() => learnt.length === 1, SOON_MS)
  t.match(learnt[0], {
    'gpt-oss-120b': { promptMicroUsdPerMillion: 350_000, completionMicroUsdPerMillion: 750_000 },
  })
  clock.advance(3_600_000)
  await until(() => learnt.length === 2, SOON_MS)
  stop()
  clock.advance(7_200_000)
  t.equal(learnt.length, 2)
})

t.test('an upstream that publishes nothing, or too much, changes nothing and is asked again', async (t) => {
  const replies: [number, string | Buffer][] = [
    [404, '{}'],
    [200, Buffer.alloc(5 * 1024 * 1024, ' ')],
    [200, '{"data":1}'],
    [200, listing(entry('m', '0.000001', '0.000001'))],
  ]
  const upstream = await scratchUpstream(t, ({ serial, path, response }) => {
    t.equal(path, '/prefix/public/v1/models')
    const [status, body] = replies[serial - 1] ?? [500, '']
    response.writeHead(status).end(body)
  })
  const clock = manualClock()
  const learnt: unknown[] = []
  let settled = 0
  const publicModels = () => fetchPublicModels(`${upstream.url}/prefix`).finally(() => settled++)
  refreshPrices({ prices: { learn: (prices) => learnt.push(prices) }, publicModels, clock, logger })
  for (const count of [1, 2, 3, 4]) {
    await until(() => {
      clock.advance(60_000)
      return upstream.calls.length >= count
    }, SOON_MS)
    await until(() => settled >= count, SOON_MS)
  }
  await until(() => learnt.length === 1, SOON_MS)
  t.match(learnt, [{ m: { promptMicroUsdPerMillion: 1_000_000 } }])
})
