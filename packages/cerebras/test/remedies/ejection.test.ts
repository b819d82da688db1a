import { manualClock } from '@loopgate/testkit/clock'
import * as fc from 'fast-check'
import t from 'tap'
import { createEjection } from '../../src/credentials/ejection.ts'

t.test('five failures in a row put a key out for half a minute, the second time for a minute', async (t) => {
  const clock = manualClock()
  const ejection = createEjection({ clock }, 2)
  const fail = (times: number) => Array.from({ length: times }, () => ejection.failed(0)).at(-1)
  t.equal(fail(4), false)
  ejection.works(0)
  t.equal(fail(4), false, 'a success in between begins the count anew')
  t.equal(fail(1), true)
  clock.advance(29_999)
  t.equal(ejection.isOut(0), true)
  clock.advance(1)
  t.equal(ejection.isOut(0), false)
  t.equal(fail(5), true)
  clock.advance(59_999)
  t.equal(ejection.isOut(0), true)
  clock.advance(1)
  t.equal(ejection.isOut(0), false)
  clock.advance(120_000)
  fail(5)
  clock.advance(30_000)
  t.equal(ejection.isOut(0), false, 'what was long ago is forgiven')
})

t.test('whatever happens, one key is always in', async (t) => {
  const step = fc.record({
    index: fc.nat(3),
    act: fc.constantFrom('failed', 'useless', 'works' as const),
    waitMs: fc.integer({ min: 0, max: 20_000 }),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 200 }), (size, steps) => {
      const clock = manualClock()
      const ejection = createEjection({ clock }, size, { failures: 2 })
      for (const { index, act, waitMs } of steps) {
        ejection[act](index % size)
        if (!Array.from({ length: size }, (_, at) => at).some((at) => !ejection.isOut(at))) return false
        clock.advance(waitMs)
      }
      return true
    }),
  )
  t.pass('held')
})
