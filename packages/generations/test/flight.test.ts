import type { CallHandle } from '@loopgate/cerebras'
import { fault } from '@loopgate/service-kit'
import * as fc from 'fast-check'
import t from 'tap'
import { Flight, type FlightHead, type Seat } from '../src/flight/flight.ts'

const HEAD: FlightHead = {
  source: 'upstream',
  kind: 'stream',
  headers: {},
  at: 0,
  ageSeconds: null,
  attempts: 1,
  queueMs: 0,
}
const FACTS = { finishReasons: ['stop'], usage: null, done: true }

/** A reader that reads when the test says so, and the log of what it got. */
function reader(flight: Flight) {
  const got: string[] = []
  const state = { position: 0, readBytes: 0, dropped: false, wakes: 0 }
  const seat: Seat = {
    get position() {
      return state.position
    },
    get readBytes() {
      return state.readBytes
    },
    wake: () => (state.wakes += 1),
    rewind: () => true,
    drop() {
      state.dropped = true
      flight.leave(seat)
    },
  }
  return {
    seat,
    got,
    state,
    read(blocks: number) {
      for (let count = 0; count < blocks; count++) {
        const block = flight.log.at(state.position)
        if (block === undefined) break
        state.position++
        state.readBytes += block.bytes.length
        got.push(block.bytes.toString())
      }
      flight.progressed()
    },
  }
}

function callHandle() {
  const state = { aborts: 0, paused: false }
  const handle: CallHandle = {
    attempts: 1,
    waitedMs: 0,
    abort: () => (state.aborts += 1),
    pause: () => (state.paused = true),
    resume: () => (state.paused = false),
  }
  return { handle, state }
}

type Step =
  | { do: 'join' }
  | { do: 'open' }
  | { do: 'complete' }
  | { do: 'fail' }
  | { do: 'append'; bytes: number }
  | { do: 'read'; who: number; blocks: number }
  | { do: 'leave'; who: number }

const who = fc.nat({ max: 5 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'join' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'open' }) },
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 400_000 }).map((bytes): Step => ({ do: 'append', bytes })) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), who, blocks: fc.nat({ max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), who }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'complete' }, { do: 'fail' }) },
)

/** Runs a history and throws at the first breach of what a flight promises. */
function run(shared: boolean, capBytes: number, steps: readonly Step[]): void {
  let closes = 0
  const flight = new Flight({ shared, heirs: false, capBytes, closed: () => (closes += 1) })
  const call = callHandle()
  flight.attach(call.handle)
  const readers: ReturnType<typeof reader>[] = []
  const seated = new Set<ReturnType<typeof reader>>()
  const sent: string[] = []
  let serial = 0
  const check = (truth: boolean, what: string): void => {
    if (!truth) throw new Error(what)
  }
  const over = () => flight.abandoned || flight.end !== null || flight.fault !== null

  for (const step of steps) {
    const overBefore = over()
    if (step.do === 'join') {
      const made = reader(flight)
      const first = seated.size === 0 && flight.head === null
      const expected = !overBefore && (first || (shared && flight.log.bytes <= capBytes))
      check(flight.join(made.seat) === expected, 'join')
      if (expected) {
        readers.push(made)
        seated.add(made)
      }
    } else if (step.do === 'open') flight.open(HEAD)
    else if (step.do === 'append') {
      const text = String((serial += 1)).padEnd(step.bytes, '.')
      if (!overBefore && seated.size > 0) {
        if (flight.head === null) flight.open(HEAD)
        sent.push(text)
        flight.append(Buffer.from(text), false)
      }
    } else if (step.do === 'complete') flight.complete(FACTS, null)
    else if (step.do === 'fail') flight.fail(fault('LG_UPSTREAM_ERROR'))
    else {
      const chosen = readers[step.who % Math.max(1, readers.length)]
      if (chosen === undefined) continue
      if (step.do === 'read') {
        const expected = Math.min(chosen.got.length + step.blocks, sent.length)
        chosen.read(step.blocks)
        if (seated.has(chosen)) check(chosen.got.length === expected, 'what was sent is there to be read')
      } else {
        flight.leave(chosen.seat)
        if (!overBefore && seated.delete(chosen) && seated.size === 0) check(flight.abandoned, 'abandoned by its last')
      }
    }

    for (const one of seated) if (one.state.dropped) seated.delete(one)
    check(closes === (over() ? 1 : 0), 'closed exactly once, when it is over')
    check(
      call.state.aborts === (flight.abandoned || flight.fault !== null ? 1 : 0),
      'aborted if and only if it failed or nobody is left',
    )
    for (const one of readers) {
      const expected = sent.slice(0, one.got.length)
      if (seated.has(one))
        check(
          one.got.every((text, index) => text === expected[index]),
          'everything, in order, from the start',
        )
      if (one.state.dropped) check(flight.log.bytes > capBytes, 'dropped only beyond the bound')
    }
    if (shared && flight.log.bytes <= capBytes) check(flight.log.start === 0, 'everything is kept within the bound')
    const slowest = Math.min(...[...seated].map((one) => one.state.readBytes))
    const behind = flight.log.bytes - slowest
    if (!over() && seated.size > 1) {
      check(!call.state.paused, 'never paced by one of several')
      if (flight.log.bytes > capBytes) check(behind <= capBytes, 'nobody of several is further behind than the bound')
    }
    if (!over() && seated.size === 1 && !(shared && flight.log.bytes <= capBytes)) {
      if (behind > 256 * 1024) check(call.state.paused, 'a lone slow reader paces the upstream')
      if (behind < 64 * 1024) check(!call.state.paused, 'and lets it go on')
    }
  }
}

for (const shared of [true, false]) {
  t.test(
    `a ${shared ? 'shared' : 'lone'} flight keeps its promises in any history of joins, reads, leaves and ends`,
    async (t) => {
      fc.assert(
        fc.property(
          fc.constantFrom(0, 1000, 1_000_000),
          fc.array(step, { minLength: 1, maxLength: 60 }),
          (capBytes, steps) => run(shared, capBytes, [{ do: 'join' }, ...steps]),
        ),
        { numRuns: 500 },
      )
      t.pass()
    },
  )
}

t.test('whoever comes to a flight that failed, was completed or given up is not seated', async (t) => {
  for (const end of ['fail', 'complete', 'leave'] as const) {
    const flight = new Flight({ shared: true, heirs: false, capBytes: 1000, closed() {} })
    const first = reader(flight)
    flight.join(first.seat)
    if (end === 'fail') flight.fail(fault('LG_UPSTREAM_ERROR'))
    else if (end === 'complete') flight.complete(FACTS, null)
    else flight.leave(first.seat)
    t.equal(flight.join(reader(flight).seat), false, end)
    flight.append(Buffer.from('late'), false)
    t.equal(flight.log.bytes, 0, 'nothing that comes afterwards counts')
  }
})

t.test('a call that is attached to a flight that everybody has left is given up at once', async (t) => {
  const flight = new Flight({ shared: true, heirs: false, capBytes: 1000, closed() {} })
  const { seat } = reader(flight)
  flight.join(seat)
  flight.leave(seat)
  const { handle, state } = callHandle()
  flight.attach(handle)
  t.equal(state.aborts, 1)
})
