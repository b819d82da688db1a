import t from 'tap'
import { createState, step, type LoopCommand } from '../src/index.ts'
import { answer, inOrder, loopRequest, MAX_FAULTS, Run, type World } from './world.ts'

/** Answers by sample index; those that begin with `+` pass. */
const worldOf = (...texts: string[]): World => ({
  texts,
  completionTokens: texts.map(() => 10),
  passing: new Set(texts.filter((text) => text.startsWith('+'))),
})

const generateId = (run: Run, iteration: number): number => {
  for (const command of run.outstanding.values()) {
    if (command.type === 'generate' && command.iteration === iteration) return command.id
  }
  throw new Error(`iteration ${iteration} is not being generated`)
}
const executing = (run: Run): string[] =>
  [...run.outstanding.values()].flatMap((command) => (command.type === 'execute' ? [command.code] : []))
const executeId = (run: Run, code: string): number => {
  for (const command of run.outstanding.values())
    if (command.type === 'execute' && command.code === code) return command.id
  throw new Error(`${code} is not being executed`)
}

t.test('a budget of 25 at fan-out 8 draws exactly the samples 0 to 24', async (t) => {
  const { records, transition } = inOrder(loopRequest(), worldOf(...Array.from({ length: 30 }, (_, n) => `n${n}`)))
  t.strictSame(
    records.map(({ iteration, sampleIndex, wave }) => [iteration, sampleIndex, wave]),
    Array.from({ length: 25 }, (_, n) => [n + 1, n, Math.floor(n / 8) + 1]),
  )
  t.match(transition, { state: 'exhausted', reason: 'the budget of 25 iterations is spent' })
})

t.test('a pass stops what runs above it, waits for what runs below it, and the lowest pass is accepted', async (t) => {
  const run = new Run(loopRequest({ fanOut: 4 }), worldOf('a', '+b', '+c', 'd'))
  for (const iteration of [1, 2, 3, 4]) run.deliver(generateId(run, iteration))
  t.strictSame(executing(run), ['a', '+b', '+c', 'd'])
  run.deliver(executeId(run, '+c'))
  t.strictSame(executing(run), ['a', '+b'], 'what runs above is stopped')
  t.equal(run.over, false)
  run.deliver(executeId(run, '+b'))
  t.equal(run.over, false, 'iteration 1 may still pass')
  run.deliver(executeId(run, 'a'))
  t.match(run.stored, {
    records: [{ verdict: 'fail' }, { verdict: 'pass' }],
    transition: { state: 'accepted', accepted: { iteration: 2, sampleIndex: 1, code: '+b' } },
  })
  t.equal(run.stored.records.length, 2)
})

t.test('of two passes the lower one decides what is stopped', async (t) => {
  const run = new Run(loopRequest({ fanOut: 4 }), worldOf('a', '+b', 'c', '+d'))
  for (const iteration of [1, 2, 3, 4]) run.deliver(generateId(run, iteration))
  run.deliver(executeId(run, '+d'))
  t.strictSame(executing(run), ['a', '+b', 'c'])
  run.deliver(executeId(run, '+b'))
  t.strictSame(executing(run), ['a'])
})

t.test('a generation above a known pass that fails is not tried again', async (t) => {
  const run = new Run(loopRequest({ fanOut: 3 }), worldOf('a', '+b', 'c'))
  run.deliver(generateId(run, 2))
  run.deliver(executeId(run, '+b'))
  run.fail(generateId(run, 3))
  t.strictSame(
    [...run.outstanding.values()].map((command) => command.type === 'generate' && command.iteration),
    [1],
  )
})

t.test('once a pass is known, answers above it are not run, and their generations are not aborted', async (t) => {
  const run = new Run(loopRequest({ fanOut: 4 }), worldOf('a', '+b', 'c', 'd'))
  run.deliver(generateId(run, 2))
  run.deliver(executeId(run, '+b'))
  run.deliver(generateId(run, 3))
  t.strictSame(executing(run), [])
  run.deliver(generateId(run, 1))
  run.deliver(executeId(run, 'a'))
  t.equal(run.stored.transition?.state, 'accepted')
  t.ok(generateId(run, 4), 'paid for, and free for the next run once it is cached')
})

t.test('a repeated candidate waits for the first one and shares its verdict and evidence', async (t) => {
  const run = new Run(loopRequest({ fanOut: 3, budget: { iterations: 5 } }), worldOf('a', 'b', 'a', 'b', 'c'))
  for (const iteration of [3, 2, 1]) run.deliver(generateId(run, iteration))
  t.strictSame(executing(run).sort(), ['a', 'b'], 'one execution for both')
  run.deliver(executeId(run, 'a'))
  run.deliver(executeId(run, 'b'))
  run.deliver(generateId(run, 4))
  t.strictSame(executing(run), [], 'seen in an earlier wave')
  run.deliver(generateId(run, 5))
  run.deliver(executeId(run, 'c'))
  t.match(run.stored.records, [
    { iteration: 1, duplicateOf: null },
    { iteration: 2, duplicateOf: null },
    { iteration: 3, duplicateOf: 1, verdict: 'fail', evidence: 'not a' },
    { iteration: 4, duplicateOf: 2, verdict: 'fail', evidence: 'not b' },
    { iteration: 5, duplicateOf: null },
  ])
  t.equal(run.stored.executed, 3)
})

t.test('a verdict that was known counts as no execution, and the candidate as seen all the same', async (t) => {
  const run = new Run(loopRequest({ budget: { iterations: 2 }, fanOut: 1 }), { ...worldOf('a', 'a'), known: true })
  run.deliver(generateId(run, 1))
  run.deliver(executeId(run, 'a'))
  run.deliver(generateId(run, 2))
  t.match(run.stored.records, [{ duplicateOf: null }, { duplicateOf: 1 }])
  t.equal(run.stored.executed, 0)
})

t.test('a fault is tried again as the same call and uses up no iteration', async (t) => {
  const run = new Run(loopRequest({ budget: { iterations: 1 } }), worldOf('a'))
  const first = generateId(run, 1)
  run.fail(first)
  const second = run.outstanding.get(generateId(run, 1))
  t.match(second, { iteration: 1, sampleIndex: 0, attempt: 2 })
  t.not(second?.id, first)
  run.deliver(generateId(run, 1))
  run.fail(executeId(run, 'a'))
  t.match(run.outstanding.get(executeId(run, 'a')), { attempt: 2 })
  run.deliver(executeId(run, 'a'))
  t.match(run.stored.records, [{ iteration: 1, verdict: 'fail' }])
})

t.test('as many faults in a row as allowed pause the loop, which goes on where it stopped', async (t) => {
  const run = new Run(loopRequest({ fanOut: 2, budget: { iterations: 2 } }), worldOf('a', '+b'))
  run.deliver(generateId(run, 1))
  run.deliver(executeId(run, 'a'))
  for (let fault = 1; fault <= MAX_FAULTS; fault += 1) {
    t.equal(run.over, false)
    run.fail(generateId(run, 2))
  }
  t.strictSame(run.stored.transition, {
    state: 'paused',
    reason: `generation failed ${MAX_FAULTS} times in a row: away`,
  })
  run.stored.transition = null
  run.resume()
  run.deliver(generateId(run, 2))
  run.deliver(executeId(run, '+b'))
  t.match(run.stored.transition, { state: 'accepted', accepted: { iteration: 2, sampleIndex: 1 } })
})

t.test('faults of one call do not count against another', async (t) => {
  const run = new Run(loopRequest({ fanOut: 8, budget: { iterations: 8 } }), worldOf(...'abcdefgh'.split('')))
  for (let iteration = 1; iteration <= 8; iteration += 1) run.fail(generateId(run, iteration))
  t.equal(run.over, false, 'eight calls that failed once each are not eight failures in a row')
})

t.test('a call that is refused for good fails the loop and says why', async (t) => {
  const run = new Run(loopRequest(), worldOf('a'))
  run.fail(generateId(run, 1), true)
  t.strictSame(run.stored.transition, { state: 'failed', reason: 'generation refused: away' })
  t.equal(run.outstanding.size, 0)
})

t.test('a budget of zero ends the loop before any call, naming the budget', async (t) => {
  for (const [budget, name] of [
    [{ iterations: 0 }, 'iterations'],
    [{ tokens: 0 }, 'tokens'],
    [{ seconds: 0 }, 'seconds'],
  ] as const) {
    const run = new Run(loopRequest({ budget }), worldOf('a'))
    t.match(run.stored.transition, { state: 'exhausted', reason: new RegExp(`budget of 0 ${name}`) })
    t.equal(run.positions.size, 0)
  }
})

t.test('a token budget narrows the wave, and what answers leave over widens the next', async (t) => {
  // 140 tokens at most for each once the prompt is known; before, the bytes of the prompt are the bound.
  const request = loopRequest({ fanOut: 8, budget: { tokens: 1_000 } })
  const run = new Run(request, { ...worldOf(...'abcdefghijklmnopqrstuvwxyz'.split('')), completionTokens: [] })
  const first = run.positions.size
  t.ok(first >= 1 && first < 8, 'the first wave is narrow')
  while (!run.over) run.deliver([...run.outstanding.keys()][0] as number)
  // Each answer takes 50, and an iteration is only begun while 140 are left: 18 * 50 + 140 > 1000.
  t.equal(run.stored.records.length, 18)
  t.match(run.stored.transition, {
    state: 'exhausted',
    reason: 'of the budget of 1000 tokens 100 are left, and an iteration may need 140',
  })
})

t.test('at the deadline the search ends, but a find is still confirmed', async (t) => {
  const searching = new Run(loopRequest({ budget: { seconds: 3 } }), worldOf('a', 'b'))
  searching.send({ type: 'deadline' })
  t.match(searching.stored.transition, { state: 'exhausted', reason: 'the budget of 3 seconds is spent' })

  const found = new Run(loopRequest({ fanOut: 2, budget: { seconds: 3 } }), worldOf('a', '+b'))
  found.deliver(generateId(found, 1))
  found.deliver(generateId(found, 2))
  found.deliver(executeId(found, '+b'))
  found.send({ type: 'deadline' })
  t.equal(found.over, false)
  found.deliver(executeId(found, 'a'))
  t.match(found.stored.transition, { state: 'accepted', accepted: { iteration: 2 } })
})

t.test('a loop that yields ends its wave first, and the next slice begins the next wave', async (t) => {
  const run = new Run(loopRequest({ fanOut: 2, budget: { iterations: 4 } }), worldOf(...'abcd'.split('')))
  run.send({ type: 'yield' })
  t.equal(run.yielded, false)
  while (!run.yielded) run.deliver([...run.outstanding.keys()][0] as number)
  t.equal(run.stored.records.length, 2)
  t.equal(run.outstanding.size, 0)
  run.resume()
  t.strictSame([...run.positions.keys()], [1, 2, 3, 4])
})

t.test('a slice that has to stop gives everything up and keeps what is committed', async (t) => {
  const run = new Run(loopRequest({ fanOut: 3, budget: { iterations: 3 } }), worldOf(...'abc'.split('')))
  run.deliver(generateId(run, 1))
  run.deliver(executeId(run, 'a'))
  run.send({ type: 'stop' })
  t.equal(run.yielded, true)
  t.equal(run.outstanding.size, 0)
  run.resume()
  t.strictSame(
    [...run.outstanding.values()].map((command) => command.type === 'generate' && command.iteration),
    [2, 3],
  )
})

t.test('a loop cancelled before it starts ends without a call', async (t) => {
  const request = loopRequest()
  const seen = new Map()
  const start = { request, committed: 0, waves: 0, waveEnd: 0, spentTokens: 0, promptTokens: 0, seen }
  const { commands } = step(createState(start), { type: 'cancel' })
  t.match(commands, [{ type: 'commit', commit: { iterations: [], transition: { state: 'cancelled' } } }])
})

t.test('an answer cut inside its fence is judged without a sandbox', async (t) => {
  const seen = new Map()
  const request = loopRequest({ budget: { iterations: 1 } })
  const start = { request, committed: 0, waves: 0, waveEnd: 0, spentTokens: 0, promptTokens: 0, seen }
  const started = step(createState(start), { type: 'start' })
  const [ask] = started.commands as Array<Extract<LoopCommand, { type: 'generate' }>>
  const cut = { ...answer(worldOf('```python\ndef add(a, b):\n  return'), 0), finishReason: 'length' }
  const { commands } = step(started.state, { type: 'generated', id: ask?.id ?? 0, answer: cut })
  t.match(commands, [
    {
      type: 'commit',
      commit: {
        iterations: [
          { fresh: false, executed: false, record: { verdict: 'fail', outcome: 'compile_error', evidence: /cut/ } },
        ],
        transition: { state: 'exhausted' },
      },
    },
  ])
})

t.test('a step changes nothing in the state it was given', async (t) => {
  const run = new Run(loopRequest({ fanOut: 2 }), worldOf('a', 'b'))
  const before = run.state
  const copy = structuredClone(before)
  run.deliver(generateId(run, 1))
  run.deliver(executeId(run, 'a'))
  t.strictSame(before, copy)
  t.not(run.state, before)
})
