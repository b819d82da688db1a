import type { Priority } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import { FairQueue } from '../../src/schedule/queue/fair-queue.ts'
import { QUANTUM_TOKENS } from '../../src/schedule/queue/ring.ts'
import { PRIORITIES, type Waiting } from '../../src/schedule/queue/types.ts'

type Item = Waiting & { readonly id: number }

const ROOMY = { maxRequests: 1_000_000, maxBytes: 1e12 }
let ids = 0
const item = (flow: string, tokens: number, more: Partial<Waiting> = {}): Item => ({
  id: ids++,
  priority: 'loop',
  tenant: 'acme',
  flow,
  tokens,
  bytes: 100,
  sinceMs: 0,
  ...more,
})

/** Takes the next one out, as the desk does. */
function next(queue: FairQueue<Item>, nowMs = 0): Item {
  const found = queue.peek()
  if (found === undefined) throw new Error('nobody waits')
  queue.take(found, nowMs)
  return found
}

t.test('of two flows that always wait, neither gets ahead by more than the largest request and two quanta', (t) => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 8 })
  const property = fc.property(fc.array(sizes, { minLength: 2, maxLength: 12 }), (flows) => {
    const queue = new FairQueue<Item>(ROOMY)
    const given = flows.map(() => 0)
    const at = flows.map(() => 0)
    const refill = (flow: number) => {
      const own = flows[flow] as number[]
      queue.add(item(String(flow), own[(at[flow] as number) % own.length] as number))
      at[flow] = (at[flow] as number) + 1
    }
    // Two at least always wait, so that no flow is ever without one.
    for (const flow of flows.keys()) for (let n = 0; n < 2; n++) refill(flow)
    const largest = Math.max(...flows.flat())
    for (let n = 0; n < 400; n++) {
      const { flow, tokens } = next(queue)
      given[Number(flow)] = (given[Number(flow)] as number) + tokens
      refill(Number(flow))
      if (Math.max(...given) - Math.min(...given) > largest + 2 * QUANTUM_TOKENS) return false
    }
    return true
  })
  fc.assert(property, { numRuns: 60 })
  t.end()
})

t.test('whatever is added, taken and withdrawn in any order: nobody is lost, and nobody is served twice', (t) => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        flow: fc.nat(4),
        tenant: fc.nat(2),
        priority: fc.constantFrom(...PRIORITIES),
        tokens: fc.integer({ min: 1, max: 9000 }),
        first: fc.boolean(),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const), laterMs: fc.nat(20_000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('withdraw' as const), which: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('give' as const),
        flow: fc.nat(4),
        tokens: fc.integer({ min: -500, max: 5000 }),
      }),
    },
  )
  const property = fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const queue = new FairQueue<Item>(ROOMY)
    const waiting = new Set<Item>()
    let nowMs = 0
    const take = () => {
      const peeked = queue.peek()
      // Looking changes nothing.
      if (peeked !== queue.peek()) throw new Error('peek is not stable')
      const taken = next(queue, nowMs)
      if (!waiting.delete(taken)) throw new Error(`${taken.id} was served though it does not wait`)
    }
    for (const each of steps) {
      if (each.do === 'add') {
        const { flow, tenant, priority, tokens, first } = each
        const added = item(`f${flow}`, tokens, { tenant: `t${tenant}`, priority, sinceMs: nowMs })
        queue.add(added, first)
        waiting.add(added)
      } else if (each.do === 'take') {
        nowMs += each.laterMs
        if (waiting.size > 0) take()
      } else if (each.do === 'withdraw') {
        const gone = [...waiting][each.which % Math.max(1, waiting.size)]
        if (gone === undefined) continue
        waiting.delete(gone)
        if (!queue.delete(gone) || queue.delete(gone)) throw new Error('withdrawn not exactly once')
      } else queue.give(item(`f${each.flow}`, 1, { tenant: 't0' }), each.tokens)
      if (queue.size !== waiting.size || queue.bytes !== waiting.size * 100) return false
    }
    while (waiting.size > 0) take()
    return queue.size === 0 && queue.peek() === undefined && queue.bytes === 0
  })
  fc.assert(property, { numRuns: 300 })
  t.end()
})

t.test(
  'under more urgent requests without end the less urgent are served all the same, the more the older they are',
  (t) => {
    const property = fc.property(
      fc.constantFrom<Priority>('loop', 'batch'),
      fc.integer({ min: 1, max: 16_000 }),
      fc.integer({ min: 1, max: 16_000 }),
      (low, urgentTokens, lowTokens) => {
        const queue = new FairQueue<Item>(ROOMY)
        const waits = item('low', lowTokens, { priority: low })
        queue.add(waits)
        let before = 0
        for (let n = 0; n < 100_000; n++) {
          queue.add(item(`u${n % 3}`, urgentTokens, { priority: 'interactive' }))
          const taken = next(queue, 40_000)
          if (taken === waits) return true
          before += taken.tokens
          // After forty seconds it is owed a half of what the others take.
          if (before > 2 * lowTokens + 2 * urgentTokens) return false
        }
        return false
      },
    )
    fc.assert(property, { numRuns: 100 })
    t.end()
  },
)

t.test('a young batch request does not hold up an interactive one', (t) => {
  const queue = new FairQueue<Item>(ROOMY)
  for (let n = 0; n < 50; n++) queue.add(item('b', 500, { priority: 'batch' }))
  for (let n = 0; n < 50; n++) queue.add(item('l', 500))
  const urgent = item('i', 500, { priority: 'interactive' })
  queue.add(urgent)
  t.equal(next(queue), urgent)
  t.end()
})

t.test('a loop of fan-out 100 beside fifty of fan-out 2: each has its share within a tenth', (t) => {
  const queue = new FairQueue<Item>(ROOMY)
  const given = new Map<string, number>()
  const ask = (flow: string) => queue.add(item(flow, 300 + Math.floor(Math.abs(Math.sin(ids)) * 300)))
  for (let n = 0; n < 100; n++) ask('big')
  for (let flow = 0; flow < 50; flow++) for (let n = 0; n < 2; n++) ask(`small-${flow}`)
  // Each answer brings the next request of its loop.
  for (let n = 0; n < 20_000; n++) {
    const { flow, tokens } = next(queue)
    given.set(flow, (given.get(flow) ?? 0) + tokens)
    ask(flow)
  }
  const share = [...given.values()].reduce((sum, tokens) => sum + tokens, 0) / 51
  for (const [flow, tokens] of given)
    t.ok(Math.abs(tokens / share - 1) < 0.1, `${flow} got ${tokens / share} of its share`)
  t.end()
})

t.test('a tenant with a hundred loops has no more than one with a single loop', (t) => {
  const queue = new FairQueue<Item>(ROOMY)
  const ask = (flow: string, tenant: string) => queue.add(item(flow, 400, { tenant }))
  for (let n = 0; n < 100; n++) for (let k = 0; k < 2; k++) ask(`loop-${n}`, 'noisy')
  for (let k = 0; k < 2; k++) ask('only', 'quiet')
  let quiet = 0
  for (let n = 0; n < 2000; n++) {
    const { flow, tenant } = next(queue)
    if (tenant === 'quiet') quiet++
    ask(flow, tenant)
  }
  t.ok(Math.abs(quiet - 1000) <= 5, `${quiet} of 2000`)
  t.end()
})

t.test('one that comes back goes before all others of its flow', (t) => {
  const queue = new FairQueue<Item>(ROOMY)
  for (let n = 0; n < 3; n++) queue.add(item('f', 200))
  const back = item('f', 200)
  queue.add(back, true)
  t.equal(next(queue), back)
  t.end()
})

t.test('room is bounded in requests and bytes, and the less urgent fill only a part of it', (t) => {
  const queue = new FairQueue<Item>({ maxRequests: 10, maxBytes: 2000 })
  const fill = (priority: Priority) => {
    let added = 0
    for (; queue.hasRoom(item('f', 1, { priority })); added++) queue.add(item('f', 1, { priority }))
    return added
  }
  t.equal(fill('batch'), 5)
  t.equal(fill('loop'), 4)
  t.equal(fill('interactive'), 1)
  const large = new FairQueue<Item>({ maxRequests: 10, maxBytes: 2000 })
  t.notOk(large.hasRoom(item('f', 1, { bytes: 1801 })))
  t.ok(large.hasRoom(item('f', 1, { bytes: 1800 })))
  t.end()
})

t.test('what lies ahead is never more than all that waits, and for a new flow far less', (t) => {
  const queue = new FairQueue<Item>(ROOMY)
  for (let n = 0; n < 1000; n++) queue.add(item('big', 400))
  t.same(queue.ahead(item('big', 400)), { tokens: 400_000, requests: 1000 })
  t.ok(queue.ahead(item('new', 400)).tokens <= 800)
  t.ok(queue.ahead(item('new', 400, { priority: 'batch' })).tokens >= 400_000)
  t.same(queue.ahead(item('big', 400, { priority: 'interactive' })), { tokens: 0, requests: 0 })
  t.end()
})
