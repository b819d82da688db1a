import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { inOrder, loopRequest, MAX_COMPLETION_TOKENS, MAX_FAULTS, Run, type World } from './world.ts'

const CODES = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

const world: fc.Arbitrary<World> = fc
  .record({
    // Few distinct texts, so that duplicates within a wave and over waves are common.
    texts: fc.array(fc.constantFrom(...CODES), { minLength: 30, maxLength: 30 }),
    completionTokens: fc.array(fc.integer({ min: 1, max: MAX_COMPLETION_TOKENS }), { minLength: 30, maxLength: 30 }),
    passing: fc.subarray(CODES, { maxLength: 2 }),
  })
  .map((made) => ({ ...made, passing: new Set(made.passing) }))

const request = fc
  .record({
    fanOut: fc.integer({ min: 1, max: 10 }),
    iterations: fc.option(fc.integer({ min: 0, max: 25 })),
    tokens: fc.integer({ min: 0, max: 4_000 }),
  })
  .map(({ fanOut, iterations, tokens }) =>
    loopRequest({ fanOut, budget: iterations === null ? { tokens } : { iterations, tokens } }),
  )

/** What happens next, as far as the order of things is free: a number picks among what is outstanding. */
const happening = fc.record({
  kind: fc.constantFrom('deliver', 'deliver', 'deliver', 'deliver', 'fault', 'repeat', 'crash', 'yield'),
  pick: fc.nat(1_000),
})
const happenings = fc.array(happening, { maxLength: 120, size: 'max' })

/** Lets it all happen; then answers what is left, in order. */
function play(run: Run, order: Order): void {
  const one = (kind: string, pick: number): void => {
    const ids = [...run.outstanding.keys()]
    const id = ids[pick % Math.max(ids.length, 1)]
    if (kind === 'crash' || run.yielded) run.resume()
    else if (kind === 'yield') run.send({ type: 'yield' })
    else if (kind === 'repeat' && run.settled.length > 0) run.repeat(run.settled[pick % run.settled.length] ?? 0)
    else if (id === undefined) run.resume()
    else if (kind === 'fault' && (run.outstanding.get(id)?.attempt ?? MAX_FAULTS) < MAX_FAULTS) run.fail(id)
    else run.deliver(id)
  }
  for (const { kind, pick } of order) if (!run.over) one(kind, pick)
  while (!run.over) one('deliver', 0)
}

type Order = ReadonlyArray<{ kind: string; pick: number }>

/** Checks a property of this many runs; a counterexample is printed with its seed. */
function holds<T extends unknown[]>(t: Test, runs: number, property: fc.IProperty<T>): void {
  const result = fc.check(property, { numRuns: runs })
  t.notOk(result.failed, `${runs} runs`, { report: fc.defaultReportMessage(result) ?? '' })
}

const everyRun = (check: (run: Run, order: Order) => boolean) =>
  fc.property(request, world, happenings, (request, world, order) => check(new Run(request, world), order))

t.test('whatever order, faults, repetitions, yields and crashes: the same lineage', async (t) => {
  holds(
    t,
    300,
    everyRun((run, order) => {
      play(run, order)
      return isDeepStrictEqual(run.stored, inOrder(run.request, run.world))
    }),
  )
})

t.test('the lineage is that of one sample after the other', async (t) => {
  const fanOuts = fc.integer({ min: 1, max: 10 })
  const property = fc.property(world, fanOuts, fc.nat(25), happenings, (world, fanOut, budget, order) => {
    const run = new Run(loopRequest({ fanOut, budget: { iterations: budget } }), world)
    play(run, order)
    const texts = world.texts.slice(0, budget)
    const first = texts.findIndex((text) => world.passing.has(text))
    const judged = first < 0 ? texts : texts.slice(0, first + 1)
    const { records, transition, executed } = run.stored
    return (
      isDeepStrictEqual(
        records.map(({ iteration, sampleIndex, verdict }) => [iteration, sampleIndex, verdict]),
        judged.map((text, index) => [index + 1, index, world.passing.has(text) ? 'pass' : 'fail']),
      ) &&
      isDeepStrictEqual(
        records.map(({ duplicateOf }) => duplicateOf),
        judged.map((text, index) => (judged.indexOf(text) < index ? judged.indexOf(text) + 1 : null)),
      ) &&
      executed === new Set(judged).size &&
      (first < 0
        ? transition?.state === 'exhausted'
        : transition?.state === 'accepted' && transition.accepted.code === world.texts[first])
    )
  })
  holds(t, 300, property)
})

t.test('no budget is passed, counting every generation that was started', async (t) => {
  holds(
    t,
    300,
    everyRun((run, order) => {
      const { tokens = Infinity, iterations = Infinity } = run.request.budget
      play(run, order)
      const paid = [...run.paidTokens.values()].reduce((sum, tokens) => sum + tokens, 0)
      return paid <= tokens && run.paidTokens.size <= iterations
    }),
  )
})

t.test('a cancelled loop ends at once, with a part of the lineage it would have had', async (t) => {
  const property = fc.property(request, world, happenings, fc.nat(100), (request, world, order, after) => {
    const run = new Run(request, world)
    const whole = inOrder(request, world)
    for (const { kind, pick } of order.slice(0, after)) {
      const ids = [...run.outstanding.keys()]
      const id = ids[pick % Math.max(ids.length, 1)]
      if (!run.over && id !== undefined && kind === 'deliver') run.deliver(id)
    }
    if (run.over) return true
    run.send({ type: 'cancel' })
    const { records, transition } = run.stored
    return (
      transition?.state === 'cancelled' &&
      run.outstanding.size === 0 &&
      isDeepStrictEqual(records, whole.records.slice(0, records.length))
    )
  })
  holds(t, 300, property)
})
