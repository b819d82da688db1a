import { manualClock } from '@loopgate/testkit/clock'
import * as fc from 'fast-check'
import t from 'tap'
import type { Asking, Grant } from '../../src/schedule/types.ts'
import { asking, scheduler, type Told, used } from './asking.ts'

const NOTHING = { requests: 0, tokens: 0, totalTokens: 0 }

t.test(
  'a storm of 429 for thirty seconds is a handful of calls; then all go at a steady pace, and none is lost',
  (t) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const clock = manualClock()
      const desk = scheduler(clock, { requestsPerMinute: 6000, tokensPerMinute: 60_000_000 })
      const random = mulberry(seed)
      const calls: number[] = []
      const open = new Set<Asking>()
      let asked = 0
      let done = 0
      const stormy = () => clock.now() >= 10_000 && clock.now() < 40_000
      const ask = () => {
        asked++
        const one: Asking = asking(clock, 400, {
          flow: `loop-${asked % 50}`,
          granted(grant) {
            calls.push(clock.now())
            clock.after(40, () => {
              if (stormy()) {
                grant.pause({ firstMs: 1000 + random() * 4000, atMostMs: 5000 }, 'congested', true)
                grant.settle(NOTHING)
                if (!desk.again(one)) throw new Error('too late')
                return
              }
              grant.taken()
              grant.settle(used(300))
              open.delete(one)
              done++
            })
          },
          refused: () => t.fail('nobody is refused'),
        })
        open.add(one)
        desk.ask(one)
      }
      // Forty a second for ninety seconds.
      for (let ms = 0; ms < 90_000; ms += 25) {
        ask()
        clock.advance(25)
      }
      clock.advance(120_000)
      t.equal(done, asked, 'nothing is lost')
      t.equal(open.size, 0)
      t.ok(calls.length <= asked * 1.2, `${calls.length} calls for ${asked}`)
      const during = calls.filter((at) => at > 10_050 && at < 40_000).length
      t.ok(during <= 31, `${during} calls during the storm`)
      // From the first call that got through until what had gathered is gone.
      const release = calls.filter((at) => at >= 40_000 && at < 90_000)
      const windows = new Map<number, number>()
      for (const at of release) windows.set(Math.floor(at / 100), (windows.get(Math.floor(at / 100)) ?? 0) + 1)
      const first = Math.min(...windows.keys())
      const mean = release.length / (900 - first)
      const most = Math.max(...windows.values())
      t.ok(most <= 2 * mean, `at most ${most} in 100 ms, ${mean} in the mean`)
    }
    t.end()
  },
)

t.test('while one organisation is paused the others go on, and a failed call prefers another', (t) => {
  const clock = manualClock()
  const desk = scheduler(clock, {}, ['one', 'two'])
  const first = asking(clock, 400)
  desk.ask(first)
  const [grant] = first.told.grants
  grant?.pause({ firstMs: 60_000, atMostMs: 60_000 }, 'tokens_exhausted', false)
  grant?.settle(NOTHING)
  for (let n = 0; n < 20; n++) {
    const next = asking(clock, 400)
    desk.ask(next)
    t.not(next.told.grants[0]?.organisation, grant?.organisation)
  }
  const open = scheduler(clock, {}, ['one', 'two'])
  const failed = asking(clock, 400, { avoid: 'one' })
  open.ask(failed)
  t.equal(failed.told.grants[0]?.organisation, 'two')
  t.end()
})

t.test(
  'whatever is asked, used and left: never more than the limit, each served once, and what is refused is told the truth',
  (t) => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant('ask' as const),
          tokens: fc.integer({ min: 1, max: 9000 }),
          flow: fc.nat(5),
          deadlineMs: fc.constantFrom(0, 1000, 20_000),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('end' as const),
          which: fc.nat(),
          part: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat() }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(5000) }) },
    )
    const LIMIT = 30_000
    const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const clock = manualClock()
      const desk = scheduler(clock, { tokensPerMinute: LIMIT, requestsPerMinute: 100 })
      const flying = new Map<Asking & { told: Told }, Grant>()
      const waiting = new Set<Asking & { told: Told }>()
      // The provider's bucket as its documentation tells.
      let level = LIMIT
      let at = 0
      const refill = () => {
        level = Math.min(LIMIT, level + ((clock.now() - at) * LIMIT) / 60_000)
        at = clock.now()
      }
      for (const each of steps) {
        if (each.do === 'ask') {
          const one: Asking & { told: Told } = asking(clock, each.tokens, {
            flow: String(each.flow),
            deadlineMs: clock.now() + each.deadlineMs,
            granted(grant) {
              refill()
              const reserved = [...flying.keys()].reduce((sum, { amounts }) => sum + amounts.tokens, 0)
              if (reserved + each.tokens > level + 1) throw new Error('more than there is')
              if (flying.has(one) || one.told.refused !== null) throw new Error('served twice')
              waiting.delete(one)
              flying.set(one, grant)
            },
            refused(error) {
              if (flying.has(one)) throw new Error('refused and served')
              waiting.delete(one)
              one.told.refused = error
            },
          })
          one.told.refused = null
          waiting.add(one)
          desk.ask(one)
        } else if (each.do === 'end') {
          const one = [...flying.keys()][each.which % Math.max(1, flying.size)]
          if (one === undefined) continue
          const tokens = Math.floor(one.amounts.tokens * each.part)
          refill()
          level -= tokens
          const grant = flying.get(one)
          flying.delete(one)
          grant?.settle(used(tokens))
        } else if (each.do === 'leave') {
          const one = [...waiting][each.which % Math.max(1, waiting.size)]
          if (one === undefined) continue
          waiting.delete(one)
          desk.withdraw(one)
        } else clock.advance(each.ms)
      }
      // Everybody who is left is served or refused once time goes on.
      for (let n = 0; n < 200 && waiting.size + flying.size > 0; n++) {
        for (const [one, grant] of flying) {
          refill()
          level -= one.amounts.tokens
          flying.delete(one)
          grant.settle(used(one.amounts.tokens))
        }
        clock.advance(2000)
      }
      if (waiting.size + flying.size > 0) return false
      // Take everything; who is refused then comes again after the time it was told, and finds room.
      for (;;) {
        const one = asking(clock, 5000, { deadlineMs: clock.now() })
        desk.ask(one)
        const [grant] = one.told.grants
        if (grant === undefined) {
          clock.advance(one.told.refused?.retryAfterMs ?? Number.NaN)
          const again = asking(clock, 5000, { deadlineMs: clock.now() })
          desk.ask(again)
          return again.told.grants.length === 1
        }
        grant.settle(used(5000))
      }
    })
    fc.assert(property, { numRuns: 200 })
    t.end()
  },
)

/** A small generator of numbers from 0 to 1 that repeats itself. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
