import t from 'tap'
import { createRegistry, createTally } from '../src/index.ts'

t.test('what was added shows whenever the metrics are read, once', async (t) => {
  const registry = createRegistry({ processMetrics: false })
  const tally = createTally(registry, { name: 'things_total', help: 'Things', labelNames: ['kind', 'colour'] })
  tally.add(1, 'a', 'red')
  tally.add(2, 'a', 'red')
  tally.add(5, 'b', 'red')
  for (const expected of [3, 3]) {
    t.match(await registry.metrics(), `things_total{kind="a",colour="red"} ${expected}\n`)
  }
  tally.add(1, 'a', 'red')
  const text = await registry.metrics()
  t.match(text, 'things_total{kind="a",colour="red"} 4\n')
  t.match(text, 'things_total{kind="b",colour="red"} 5\n')
})

t.test('numbers that would make a counter fall are ignored', async (t) => {
  const registry = createRegistry({ processMetrics: false })
  const tally = createTally(registry, { name: 'things_total', help: 'Things', labelNames: ['kind'] })
  for (const value of [1, -5, Number.NaN, 0]) tally.add(value, 'a')
  t.match(await registry.metrics(), 'things_total{kind="a"} 1\n')
})
