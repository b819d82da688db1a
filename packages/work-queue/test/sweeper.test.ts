import { createLogger } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import { createSweeper, type SweptLoop } from '../src/index.ts'

const logger = createLogger('test', 'silent')
const options = { everyMs: 10_000, quietMs: 5_000, resumePausedMs: 60_000 }

/** A sweeper over these loops; says what it did to them. */
function sweeper(loops: (nowMs: number) => SweptLoop[], claims = true) {
  const clock = manualClock()
  const done: string[] = []
  const { sweep, close } = createSweeper(
    {
      logger,
      clock,
      // Two loops a page, so that more than one page is gone through.
      live: async (cursor) => {
        const from = Number(cursor)
        const all = loops(clock.wallNow())
        const next = from + 2 < all.length ? String(from + 2) : null
        return { loops: all.slice(from, from + 2), next }
      },
      claim: async () => claims,
      resume: async (id) => done.push(`resume ${id}`),
      enqueue: async (id) => void done.push(`enqueue ${id}`),
    },
    options,
  )
  t.teardown(close)
  return { clock, done, sweep, close }
}

t.test('loops that have been quiet are put in the queue, whatever page they are on', async (t) => {
  const { done, sweep } = sweeper((now) => [
    { id: 'a', state: 'queued', updatedAtMs: now - 5_000 },
    { id: 'b', state: 'running', updatedAtMs: now - 4_999 },
    { id: 'c', state: 'running', updatedAtMs: now - 50_000 },
    { id: 'd', state: 'stopping', updatedAtMs: now - 50_000 },
    { id: 'e', state: 'queued', updatedAtMs: now },
  ])
  t.equal(await sweep(), 3)
  t.same(done, ['enqueue a', 'enqueue c', 'enqueue d'])
})

t.test('a paused loop is resumed and put in the queue once it has rested', async (t) => {
  const { done, sweep } = sweeper((now) => [
    { id: 'rested', state: 'paused', updatedAtMs: now - 60_000 },
    { id: 'resting', state: 'paused', updatedAtMs: now - 59_999 },
  ])
  await sweep()
  t.same(done, ['resume rested', 'enqueue rested'])
})

t.test('a process that does not get the claim leaves the loops alone', async (t) => {
  const { done, sweep } = sweeper((now) => [{ id: 'a', state: 'queued', updatedAtMs: now - 50_000 }], false)
  t.equal(await sweep(), 0)
  t.same(done, [])
})

t.test('it sweeps by itself, goes on after a failure, and stops when closed', async (t) => {
  let calls = 0
  const { clock, done, close } = sweeper((now) => {
    calls += 1
    if (calls === 1) throw new Error('Redis is away')
    return [{ id: 'a', state: 'queued', updatedAtMs: now - 50_000 }]
  })
  const until = async (settled: () => boolean): Promise<void> => {
    while (!settled()) await new Promise(setImmediate)
  }
  clock.advance(options.everyMs)
  await until(() => calls === 1)
  await until(() => {
    clock.advance(options.everyMs)
    return done.length > 0
  })
  await close()
  const after = done.length
  clock.advance(10 * options.everyMs)
  await new Promise(setImmediate)
  t.equal(done.length, after)
})
