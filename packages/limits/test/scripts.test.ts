import type { SpendLimits } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import { Book } from '../src/book.ts'
import { keyBook, tenantBook } from '../src/keys.ts'
import { limitNames } from '../src/payer.ts'
import type { Scripted } from '../src/scripts.ts'
import type { Amount, Ask } from '../src/types.ts'
import { timedRedis } from './kit.ts'

const LEASE_MS = 20_000

type Step =
  | { do: 'reserve'; ask: Ask }
  | { do: 'settle'; which: number; used: Amount }
  | { do: 'note'; used: Amount }
  | { do: 'renew'; which: number }
  | { do: 'wait'; ms: number }

const small = fc.integer({ min: 0, max: 12 })
const amount = fc.record({ tokens: small, microUsd: small })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reserve' as const), ask: asks() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), used: amount }) },
  fc.record({ do: fc.constant('note' as const), used: amount }),
  fc.record({ do: fc.constant('renew' as const), which: fc.nat() }),
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.nat(6000), fc.nat(70_000), fc.constant(86_400_000)),
    }),
  },
)
const limits: fc.Arbitrary<SpendLimits> = fc.record(
  {
    requestsPerMinute: fc.nat(6),
    tokensPerMinute: fc.nat(40),
    concurrentGenerations: fc.nat(4),
    concurrentExecutions: fc.nat(3),
    tokensPerDay: fc.nat(80),
    microUsdPerDay: fc.nat(80),
    tokensTotal: fc.nat(200),
    microUsdTotal: fc.nat(200),
  },
  { requiredKeys: [] },
)

function asks(): fc.Arbitrary<Ask> {
  return fc.record({
    kind: fc.constantFrom('generation' as const, 'execution' as const),
    tokens: small,
    microUsd: small,
  })
}

t.test('the scripts and the book agree on every history, and no limit is ever passed', async (t) => {
  const client = await timedRedis(t)
  const scripts = client as unknown as Scripted
  let run = 0
  await fc.assert(
    fc.asyncProperty(limits, limits, fc.array(step, { maxLength: 40 }), async (ofKey, ofTenant, steps) => {
      const prefix = `h${(run += 1)}`
      const pairs = [keyBook(prefix, 'acme', 'k'), tenantBook(prefix, 'acme')]
      const keys = pairs.flat()
      const books = [new Book(), new Book()]
      const bounds = [ofKey, ofTenant]
      const held: { id: string; lease: string }[] = []
      let now = 1_800_000_000_000

      for (const [index, taken] of steps.entries()) {
        await client.set('now', now)
        if (taken.do === 'wait') now += taken.ms
        else if (taken.do === 'reserve') {
          const { ask } = taken
          const id = `r_${index}`
          const lease = `${id} ${ask.kind === 'generation' ? 'g' : 'x'} ${ask.tokens} ${ask.microUsd}`
          const names = limitNames(ask.kind)
          const args = bounds.flatMap((bound) => names.map((name) => bound[name] ?? ''))
          const reply = (await scripts.lgReserve(...keys, lease, LEASE_MS, ...args)).map(Number)
          const refusals = books.map((book, who) => book.refusal(bounds[who] ?? {}, ask, now))
          const first = refusals.findIndex((refusal) => refusal !== null)
          const refusal = refusals[first]
          if (refusal) {
            const said = [0, first + 1, names.indexOf(refusal.limit) + 1, refusal.freesInMs ?? -1]
            t.strictSame(reply, said)
          } else {
            t.equal(reply[0], 1)
            for (const book of books) book.reserve(id, ask, now + LEASE_MS, now)
            held.push({ id, lease })
          }
        } else if (taken.do === 'note') {
          await scripts.lgSettle(...keys, '', taken.used.tokens, taken.used.microUsd, 0)
          for (const book of books) {
            book.usage(now)
            book.count(taken.used, now)
          }
        } else {
          const one = held[taken.which % held.length]
          if (one === undefined) continue
          if (taken.do === 'renew') {
            for (const [, leases] of pairs) await scripts.lgRenewLeases(leases, LEASE_MS, one.lease)
            for (const book of books) book.renew(one.id, now + LEASE_MS, now)
          } else {
            await scripts.lgSettle(...keys, one.lease, taken.used.tokens, taken.used.microUsd, 0)
            for (const book of books) book.settle(one.id, taken.used, now)
          }
        }
        await client.set('now', now)
        for (const [who, [book, leases]] of pairs.entries()) {
          const { minute, day, total, reserved } = books[who]?.usage(now) ?? new Book().usage(now)
          t.strictSame((await scripts.lgUsage(book, leases)).map(Number), [
            ...Object.values(minute),
            ...Object.values(day),
            ...Object.values(total),
            ...Object.values(reserved),
          ])
          const { concurrentGenerations: most = Number.POSITIVE_INFINITY } = bounds[who] ?? {}
          t.ok(reserved.generations <= most)
        }
      }
    }),
    { numRuns: 120 },
  )
})

t.test('what frees frees when it was said to', async (t) => {
  await fc.assert(
    fc.asyncProperty(limits, fc.array(step, { minLength: 5, maxLength: 30 }), async (bound, steps) => {
      const book = new Book()
      let now = 1_800_000_000_000
      for (const [index, taken] of steps.entries()) {
        if (taken.do === 'wait') now += taken.ms
        if (taken.do === 'note') book.count(taken.used, now)
        if (taken.do !== 'reserve') continue
        const refusal = book.refusal(bound, taken.ask, now)
        if (refusal === null) book.reserve(`${index}`, taken.ask, now, now)
        else if (refusal.freesInMs !== null && refusal.limit.endsWith('Minute')) {
          const later = book.refusal(bound, taken.ask, now + refusal.freesInMs)
          t.not(later?.limit, refusal.limit, 'the limit that said so does not refuse then')
        }
      }
    }),
    { numRuns: 300 },
  )
})
