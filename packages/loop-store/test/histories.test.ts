import { strict as assert } from 'node:assert'
import { TERMINAL_STATES, type LoopState } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import type { Acquired, LoopCommit, LoopStore } from '../src/index.ts'
import { ACME, accepted, iteration, request, stores } from './harness.ts'

const WORKERS = 3

/** What somebody does to a loop; `size` is how many iterations a commit has. */
const action = fc.record({
  kind: fc.constantFrom('acquire', 'commit', 'commit', 'commit', 'repeat', 'finish', 'pause', 'cancel', 'resume'),
  worker: fc.nat(WORKERS - 1),
  size: fc.integer({ min: 1, max: 3 }),
  verdict: fc.constantFrom('fail', 'error'),
  cache: fc.constantFrom('hit', 'miss', 'coalesced', 'bypass'),
})
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

type Hand = { held: Acquired | null; next: number; last: LoopCommit | null }

async function perform(store: LoopStore, id: string, hands: Hand[], { kind, worker, ...how }: Action): Promise<void> {
  const hand = hands[worker]
  assert(hand)
  if (kind === 'cancel' || kind === 'resume') return void (await store[kind](id))
  if (kind === 'acquire') {
    hand.held = await store.acquire(id)
    hand.next = (hand.held?.snapshot.committed ?? 0) + 1
    hand.last = null
    return
  }
  if (hand.held === null) return
  if (kind === 'repeat') {
    if (hand.last !== null) await store.commit(id, hand.held.fence, hand.last)
    return
  }
  const numbers = Array.from({ length: kind === 'pause' ? 0 : how.size }, (_, n) => hand.next + n)
  const last = numbers.at(-1) ?? 0
  const iterations = numbers.map((number) =>
    iteration(number, { verdict: kind === 'finish' && number === last ? 'pass' : how.verdict, cache: how.cache }),
  )
  const transition =
    kind === 'finish' ? accepted(last) : kind === 'pause' ? ({ state: 'paused', reason: 'away' } as const) : null
  const commit = { iterations, waveEnd: last, ...(transition === null ? {} : { transition }) }
  const { result } = await store.commit(id, hand.held.fence, commit)
  hand.last = commit
  if (result === 'ok') hand.next += numbers.length
}

/** What must hold after any history, told from the events alone. */
async function check(store: LoopStore, id: string): Promise<void> {
  const view = (await store.get(id))?.view
  assert(view)
  const events = await store.eventsAfter(id, 0, 10_000)
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
    'numbers are dense',
  )
  assert.equal(view.lastSeq, events.length)
  const states = events.flatMap(({ event }) => (event.type === 'state' ? [event.state] : []))
  assert.equal(view.state, states.at(-1))
  assert.ok(
    states.slice(0, -1).every((state: LoopState) => !TERMINAL_STATES.has(state)),
    'nothing comes after the end',
  )
  const stopping = states.indexOf('stopping')
  assert.ok(
    stopping < 0 || states.slice(stopping + 1).every((state) => TERMINAL_STATES.has(state)),
    'a loop that is to stop does not start again',
  )
  const records = events.flatMap(({ event }) => (event.type === 'iteration' ? [event.record] : []))
  assert.deepEqual(
    records.map(({ iteration }) => iteration),
    records.map((_, index) => index + 1),
    'each iteration is judged once',
  )
  assert.equal(view.counts.iterations, records.length)
  assert.equal(view.counts.tokens, records.length * 50)
  const { hit, miss, coalesced, bypass } = view.counts.generations
  assert.equal(hit + miss + coalesced + bypass, records.length)
  assert.equal(view.accepted !== null, view.state === 'accepted')
}

t.test('any history of workers, cancellations and resumptions leaves a loop that adds up', async (t) => {
  const { store } = await stores(t)
  const before = await store.stats()
  let iterations = 0
  let runs = 0
  const property = fc.asyncProperty(fc.array(action, { maxLength: 25, size: 'max' }), async (history) => {
    const { loop } = await store.create(ACME, request())
    const hands = Array.from({ length: WORKERS }, (): Hand => ({ held: null, next: 1, last: null }))
    for (const action of history) await perform(store, loop.id, hands, action)
    await check(store, loop.id)
    iterations += (await store.get(loop.id))?.view.counts.iterations ?? 0
    runs += 1
  })
  const result = await fc.check(property, { numRuns: 60 })
  t.notOk(result.failed, '60 histories', { report: fc.defaultReportMessage(result) ?? '' })
  const after = await store.stats()
  const { pass, fail, error } = after.iterationsByVerdict
  t.equal(pass + fail + error, iterations, 'the totals are those of all loops')
  t.equal(after.tokens - before.tokens, iterations * 50)
  t.equal(after.loopsByState.created, runs)
})

t.test('workers at the same time leave a loop that adds up', async (t) => {
  const { store, another } = await stores(t)
  const workers = [store, another(), another()]
  const property = fc.asyncProperty(
    fc.array(fc.array(action, { maxLength: 10, size: 'max' }), { minLength: WORKERS, maxLength: WORKERS }),
    async (histories) => {
      const { loop } = await store.create(ACME, request())
      await Promise.all(
        histories.map(async (history, worker) => {
          const hands = Array.from({ length: WORKERS }, (): Hand => ({ held: null, next: 1, last: null }))
          for (const action of history) await perform(workers[worker] ?? store, loop.id, hands, { ...action, worker })
        }),
      )
      await check(store, loop.id)
    },
  )
  const result = await fc.check(property, { numRuns: 40 })
  t.notOk(result.failed, '40 races', { report: fc.defaultReportMessage(result) ?? '' })
})
