import { createRegistry, systemClock } from '@loopgate/service-kit'
import { createLimiter, createPriceList } from '@loopgate/limits'
import * as fc from 'fast-check'
import t from 'tap'
import { createAdmission } from '../../src/completions/admit.ts'

/** What a body reserves under limits that refuse everything: the message of the refusal does not say, so ask. */
function reservedFor(body: Record<string, unknown>): number {
  let asked = -1
  const limiter = createLimiter(
    { link: null, clock: systemClock, registry: createRegistry({ processMetrics: false }), replicas: () => 1 },
    { keyPrefix: 'reserved' },
  )
  const watched = {
    ...limiter,
    reserve: (...[payer, ask]: Parameters<typeof limiter.reserve>) => {
      asked = ask.tokens
      return limiter.reserve(payer, ask)
    },
  }
  const who = {
    tenant: 'acme',
    name: 'n',
    keyId: 'k',
    scopes: new Set(['complete' as const]),
    limits: { key: {}, tenant: {} },
  }
  const bytes = Buffer.from('x'.repeat(30))
  void createAdmission(watched, createPriceList()).admit(who, { body, bytes, normalised: [], digest: '' })
  return asked
}

t.test('a completion reserves its prompt and all that it may write', (t) => {
  const model = 'gpt-oss-120b'
  const cases: readonly [Record<string, unknown>, number][] = [
    [{ max_completion_tokens: 5 }, 15],
    [{ max_tokens: 5 }, 15],
    [{}, 16_394],
    [{ max_completion_tokens: null }, 16_394],
    [{ max_completion_tokens: -1 }, 16_394],
    [{ max_tokens: 5, n: 4 }, 30],
    [{ max_tokens: 5, n: 2, best_of: 4, prompt: 'a' }, 30],
    [{ max_tokens: 5, prompt: ['a', 'b', 'c'] }, 25],
    [{ max_tokens: 5, prompt: [1, 2, 3] }, 15],
    [
      {
        max_tokens: 5,
        prompt: [
          [1, 2],
          [3, 4],
        ],
      },
      20,
    ],
    [{ max_tokens: 5, n: 2, prompt: ['a', 'b'] }, 30],
  ]
  for (const [body, tokens] of cases) t.equal(reservedFor({ model, ...body }), tokens, JSON.stringify(body))
  t.end()
})

t.test('whatever numbers a caller writes, what is asked for is a whole number that the scripts can read', (t) => {
  const number = fc.oneof(fc.integer(), fc.double(), fc.constant(Number.MAX_SAFE_INTEGER), fc.constant(1e300))
  fc.assert(
    fc.property(number, number, number, (bound, n, of) => {
      const tokens = reservedFor({ model: 'other', max_tokens: bound, n, best_of: of })
      return Number.isSafeInteger(tokens) && tokens >= 10 && /^\d+$/.test(String(tokens))
    }),
  )
  t.end()
})
