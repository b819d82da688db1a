import type { LoopStats } from '@loopgate/loop-store'
import { createLogger, createRegistry } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import { observeLoops } from '../src/loops/metrics.ts'

const stats = (executions: number): LoopStats => ({
  iterationsByVerdict: { pass: 0, fail: 0, error: 0 },
  loopsByState: {},
  duplicates: 0,
  executions,
  tokens: 0,
})

/** Metrics over a store that answers when the test says so. */
function scraped() {
  const registry = createRegistry({ processMetrics: false })
  const clock = manualClock()
  const reads: PromiseWithResolvers<LoopStats>[] = []
  const store = {
    stats: () => {
      const read = Promise.withResolvers<LoopStats>()
      reads.push(read)
      return read.promise
    },
  }
  observeLoops(registry, { store, clock, logger: createLogger('test', 'silent') })
  const executions = async (): Promise<number> =>
    Number(/^loopgate_loop_executions_total (\d+)/m.exec(await registry.metrics())?.[1])
  return { clock, reads, executions }
}

t.test('a scrape shows the totals of now, and one read serves all that come at once', async (t) => {
  const { reads, executions } = scraped()
  const scrapes = [executions(), executions()]
  reads[0]?.resolve(stats(7))
  t.strictSame(await Promise.all(scrapes), [7, 7])
  t.equal(reads.length, 1)
})

t.test('no scrape waits for a Redis in trouble: the latest known totals stand until it answers', async (t) => {
  const { clock, reads, executions } = scraped()
  const first = executions()
  reads[0]?.resolve(stats(1))
  t.equal(await first, 1)
  const slow = executions()
  clock.advance(200)
  t.equal(await slow, 1)
  t.equal(await executions(), 1, 'the read has been waited for already')
  t.equal(reads.length, 2)
  reads[1]?.reject(new Error('no answer'))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  t.equal(await executions(), 1, 'after a failure nobody waits')
  t.equal(reads.length, 3)
  reads[2]?.resolve(stats(9))
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  const back = executions()
  reads[3]?.resolve(stats(9))
  t.equal(await back, 9)
})
