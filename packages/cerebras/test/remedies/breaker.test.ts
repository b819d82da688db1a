import { manualClock } from '@loopgate/testkit/clock'
import * as fc from 'fast-check'
import t from 'tap'
import { createBreaker } from '../../src/remedies/breaker.ts'

const OPTIONS = { windowMs: 10_000, leastCalls: 20, failedShare: 0.75, probeMs: 1000 }

t.test(
  'it opens when nearly everything fails, lets one probe through in its time, and closes with a success',
  async (t) => {
    const clock = manualClock()
    const told: boolean[] = []
    const breaker = createBreaker({ clock, changed: (open) => told.push(open) }, OPTIONS)
    for (let call = 0; call < 20; call++) breaker.pass()?.verdict('failure')
    t.equal(breaker.open(), true)
    t.equal(breaker.pass(), null)
    t.equal(breaker.closedForMs(), 1000)
    clock.advance(1000)
    const probe = breaker.pass()
    t.ok(probe)
    t.equal(breaker.pass(), null, 'one probe at a time')
    probe?.verdict('failure')
    t.equal(breaker.pass(), null)
    clock.advance(1000)
    breaker.pass()?.verdict('success')
    t.equal(breaker.open(), false)
    t.ok(breaker.pass())
    t.strictSame(told, [true, false])
  },
)

t.test('half of all calls failing does not open it, nor do a few, nor failures long past', async (t) => {
  const clock = manualClock()
  const breaker = createBreaker({ clock }, OPTIONS)
  for (let call = 0; call < 200; call++) breaker.pass()?.verdict(call % 2 === 0 ? 'failure' : 'success')
  t.equal(breaker.open(), false)
  clock.advance(20_000)
  for (let call = 0; call < 19; call++) breaker.pass()?.verdict('failure')
  t.equal(breaker.open(), false)
  clock.advance(20_000)
  breaker.pass()?.verdict('failure')
  t.equal(breaker.open(), false)
})

t.test(
  'whatever happens, an open breaker lets at most one call through in its time, and closes only by its success',
  async (t) => {
    const step = fc.record({
      waitMs: fc.integer({ min: 0, max: 700 }),
      verdict: fc.constantFrom('success', 'failure', 'failure', 'failure', 'failure', 'neutral', null),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), (steps) => {
        const clock = manualClock()
        const breaker = createBreaker({ clock }, { ...OPTIONS, leastCalls: 4 })
        let lastProbe = Number.NEGATIVE_INFINITY
        for (const { waitMs, verdict } of steps) {
          clock.advance(waitMs)
          const wasOpen = breaker.open()
          const pass = breaker.pass()
          if (!wasOpen && pass === null) return false
          if (wasOpen && pass !== null) {
            if (clock.now() - lastProbe < OPTIONS.probeMs) return false
            lastProbe = clock.now()
          }
          if (verdict !== null) pass?.verdict(verdict)
          const mayClose = pass !== null && verdict === 'success'
          if (wasOpen && !breaker.open() && !mayClose) return false
        }
        return true
      }),
    )
    t.pass('held')
  },
)
