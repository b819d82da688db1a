import * as fc from 'fast-check'
import t from 'tap'
import { createFairQueue, type Ticket } from '../src/executions/fair-queue.ts'

t.test("a tenant's one entry waits for one turn of each other tenant, however many entries they have", async (t) => {
  const queue = createFairQueue<string>()
  for (let index = 0; index < 1000; index += 1) {
    queue.push('heavy', `heavy ${index}`)
    queue.push('busy', `busy ${index}`)
  }
  queue.push('light', 'light 0')
  const first = [queue.take(), queue.take(), queue.take(), queue.take()]
  t.strictSame(first, ['heavy 0', 'busy 0', 'light 0', 'heavy 1'])
})

type Action = { kind: 'push' | 'putBack' | 'take' | 'remove'; tenant: number; which: number }

t.test('it does what a plain list of lists does, whatever is pushed, taken, put back and removed', async () => {
  const action: fc.Arbitrary<Action> = fc.record({
    kind: fc.constantFrom('push', 'push', 'putBack', 'take', 'remove'),
    tenant: fc.nat(3),
    which: fc.nat(50),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const queue = createFairQueue<number>()
      let model: { tenant: string; values: number[] }[] = []
      const tickets: Ticket<number>[] = []
      let serial = 0
      for (const { kind, tenant: number, which } of actions) {
        const tenant = `tenant-${number}`
        const line = model.find((entry) => entry.tenant === tenant)
        if (kind === 'push') {
          serial += 1
          tickets.push(queue.push(tenant, serial))
          if (line) line.values.push(serial)
          else model.push({ tenant, values: [serial] })
        } else if (kind === 'putBack') {
          serial += 1
          tickets.push(queue.putBack(tenant, serial))
          model = [{ tenant, values: [serial, ...(line?.values ?? [])] }, ...model.filter((entry) => entry !== line)]
        } else if (kind === 'take') {
          const expected = model[0]?.values[0] ?? null
          if (queue.peek() !== expected || queue.take() !== expected) return false
          const [turn, ...others] = model
          turn?.values.shift()
          model = turn === undefined || turn.values.length === 0 ? others : [...others, turn]
        } else {
          const ticket = tickets[which % (tickets.length || 1)]
          if (ticket === undefined) continue
          queue.remove(ticket)
          for (const entry of model) entry.values = entry.values.filter((value) => value !== ticket.value)
          model = model.filter((entry) => entry.values.length > 0)
        }
        if (queue.size() !== model.reduce((sum, entry) => sum + entry.values.length, 0)) return false
      }
      return true
    }),
    { numRuns: 300 },
  )
})
