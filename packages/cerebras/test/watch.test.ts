import t from 'tap'
import { createWatch } from '../src/call/watch.ts'

/** A clock whose one timer runs when the test says so, as late as it likes. */
function lateClock() {
  let now = 0
  let timer: { at: number; action: () => void } | null = null
  const clock = {
    now: () => now,
    wallNow: () => now,
    after(ms: number, action: () => void) {
      timer = { at: now + ms, action }
      return () => (timer = null)
    },
  }
  const tick = (lateMs = 0) => {
    const due = timer
    if (due === null) throw new Error('nothing waits')
    timer = null
    now = due.at + lateMs
    due.action()
  }
  return { clock, tick }
}

function watched(limitAt: number) {
  const item = { ticket: -1, limitAt, expired: 0, expire: () => void (item.expired += 1) }
  return item
}

t.test('a limit that has passed expires at the next tick', async (t) => {
  const { clock, tick } = lateClock()
  const watch = createWatch(clock, 1000)
  const item = watched(150)
  watch.add(item)
  tick()
  t.equal(item.expired, 0)
  tick()
  t.equal(item.expired, 1)
})

t.test('a process that stood still reads what has come before anything expires', async (t) => {
  const { clock, tick } = lateClock()
  const watch = createWatch(clock, 1000)
  const [heard, silent] = [watched(1000), watched(1000)]
  watch.add(heard)
  watch.add(silent)
  tick(5000)
  t.strictSame([heard.expired, silent.expired], [0, 0], 'the tick itself was late')
  heard.limitAt = clock.now() + 1000
  tick()
  t.strictSame([heard.expired, silent.expired], [0, 1], 'one was heard of meanwhile')
})

t.test('one that is taken out by another that expires does not expire', async (t) => {
  const { clock, tick } = lateClock()
  const watch = createWatch(clock, 1000)
  const [first, second, third] = [watched(50), watched(50), watched(50)]
  for (const item of [first, second, third]) watch.add(item)
  first.expire = () => {
    first.expired += 1
    watch.remove(first)
    watch.remove(second)
    watch.remove(second)
  }
  tick()
  t.strictSame([first.expired, second.expired, third.expired], [1, 0, 1])
})
