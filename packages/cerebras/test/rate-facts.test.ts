import t from 'tap'
import { readRateFacts } from '../src/rate/facts.ts'

t.test('the whole grid is read, floats and the unlimited among it', async (t) => {
  const facts = readRateFacts({
    'x-ratelimit-limit-requests-day': '1440000',
    'x-ratelimit-remaining-requests-day': '1439999',
    'x-ratelimit-reset-requests-day': '10804.950052976608',
    'x-ratelimit-limit-tokens-minute': '1000000',
    'x-ratelimit-remaining-tokens-minute': '0',
    'x-ratelimit-reset-tokens-minute': '11.382867097854614',
    'x-ratelimit-limit-tokens-hour': '1000000000',
  })
  t.strictSame(facts, {
    requests: { day: { limit: 1_440_000, remaining: 1_439_999, resetMs: 10_804_950.052_976_608 } },
    tokens: {
      minute: { limit: 1_000_000, remaining: 0, resetMs: 11_382.867_097_854_614 },
      hour: { limit: Number.POSITIVE_INFINITY, remaining: null, resetMs: null },
    },
  })
})

t.test('what is missing or no number is unknown, and never nothing left', async (t) => {
  t.equal(readRateFacts({}), null)
  t.equal(readRateFacts({ 'content-type': 'application/json' }), null)
  for (const value of ['', 'NaN', '-1', '0x10', '1e9', 'many', '1,000', '9'.repeat(400)]) {
    t.equal(readRateFacts({ 'x-ratelimit-remaining-tokens-minute': value }), null, value.slice(0, 20))
  }
})

t.test('resets with units, names without a window and repeated headers are understood', async (t) => {
  const reset = (text: string) => readRateFacts({ 'x-ratelimit-reset-tokens-minute': text })?.tokens.minute?.resetMs
  t.equal(reset('12s'), 12_000)
  t.equal(reset('1m2.5s'), 62_500)
  t.equal(reset('250ms'), 250)
  t.equal(reset('0'), 0)
  t.equal(reset('soon'), undefined)
  const bare = readRateFacts({ 'x-ratelimit-limit-requests': ['250', '7'], 'x-ratelimit-remaining-tokens': '5' })
  t.equal(bare?.requests.minute?.limit, 250)
  t.equal(bare?.tokens.minute?.remaining, 5)
})
