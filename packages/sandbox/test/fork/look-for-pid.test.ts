import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import { lookForPid } from '../../src/fork/look-for-pid.ts'

/** A look that misses a child as often as is said. */
function missing(times: number): { find: () => number | null; looks: () => number } {
  let looks = 0
  return { find: () => ((looks += 1) > times ? 7 : null), looks: () => looks }
}

t.test('a fork that the kernel leaves out of its list is looked for again', async (t) => {
  const clock = manualClock()
  const found: number[] = []
  const { find } = missing(2)
  lookForPid(clock, find, { isWanted: () => true, found: (pid) => found.push(pid) })
  t.same(found, [])
  clock.advance(10)
  t.same(found, [7], 'once')
})

t.test('one that has ended meanwhile is not', async (t) => {
  const clock = manualClock()
  const { find, looks } = missing(Infinity)
  let isWanted = true
  lookForPid(clock, find, { isWanted: () => isWanted, found: () => t.fail('it was not there') })
  clock.advance(3)
  const before = looks()
  t.ok(before > 1)
  isWanted = false
  clock.advance(100)
  t.equal(looks(), before)
})
