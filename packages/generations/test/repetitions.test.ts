import { manualClock } from '@loopgate/testkit/clock'
import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import type { GenerationCall } from '../src/index.ts'
import { ask, bench, call, chunksOf, documentOf, read } from './kit.ts'

const numbered = (scratch: ScratchCall): void => answerJson(scratch, 200, documentOf(`answer ${scratch.serial}`))

/** A call that is shared with nothing but its own repetitions. */
const idempotent = (idempotencyKey: string, body: Record<string, unknown> = {}, rest: Partial<GenerationCall> = {}) =>
  call(
    { temperature: 0.8, ...body },
    { sharing: { choose: null, scope: 'tenant', ttlSeconds: null, keepsLength: false, idempotencyKey }, ...rest },
  )

for (const [name, options] of [
  ['with Redis', {}],
  ['without Redis', { redis: null }],
] as const) {
  t.test(
    `${name}: an idempotency key makes a call at any temperature repeatable, and nothing else shares it`,
    async (t) => {
      const { generations, server } = await bench(t, numbered, options)
      const [one, same, other] = await Promise.all([
        ask(generations, idempotent('a')),
        ask(generations, idempotent('a')),
        ask(generations, idempotent('b')),
      ])
      t.equal(one.content, same.content)
      t.not(one.content, other.content)
      t.match(await ask(generations, idempotent('a')), { content: one.content, generation: { outcome: 'hit' } })
      t.equal((await ask(generations, call({ temperature: 0.8 }))).generation.outcome, 'bypass')
      t.equal((await ask(generations, idempotent('a', {}, { tenant: 'globex' }))).generation.outcome, 'miss')
      t.equal(server.calls.length, 4)
    },
  )

  t.test(`${name}: the same idempotency key with another body is a conflict`, async (t) => {
    const { generations, server } = await bench(t, numbered, options)
    await ask(generations, idempotent('a'))
    for (const other of [idempotent('a', { seed: 1 }), idempotent('a', { temperature: 0 })]) {
      await t.rejects(ask(generations, other), { code: 'LG_CONFLICT', message: /idempotency-key/ })
    }
    t.equal(server.calls.length, 1)
  })

  t.test(`${name}: a repetition that asked for a new sample gets the one that it was given`, async (t) => {
    const { generations, server } = await bench(t, numbered, options)
    const fresh = (name: string) => {
      const asked = idempotent(name)
      return { ...asked, sharing: { ...asked.sharing, choose: 'new' } } as GenerationCall
    }
    const [one, same, other] = [
      await ask(generations, fresh('a')),
      await ask(generations, fresh('a')),
      await ask(generations, fresh('b')),
    ]
    t.match(same, { content: one.content, generation: { outcome: 'hit', sampleIndex: one.generation.sampleIndex } })
    t.not(other.generation.sampleIndex, one.generation.sampleIndex)
    t.equal(server.calls.length, 2)
  })
}

t.test('a repetition finds what was paid for though its caller left before there was a byte of it', async (t) => {
  const { generations, server, metric } = await bench(t, () => {})
  const first = generations.generate(idempotent('a', { stream: true }))
  const scratch = await server.call(1)
  first.leave()
  await t.rejects(first.ready, { code: 'LG_CLIENT_CLOSED' })
  t.equal(await metric('loopgate_flights'), 1, 'it goes on')
  const second = generations.generate(idempotent('a', { stream: true }))
  beginStream(scratch).end(Buffer.concat(chunksOf(['paid once'])))
  t.equal((await read(second)).content, 'paid once', 'from the flight or from what it left')
  t.match(await ask(generations, idempotent('a')), { content: 'paid once', generation: { outcome: 'hit' } })
  t.equal(server.calls.length, 1)
})

t.test('an answer that nobody waits for is kept when it comes', async (t) => {
  const { generations, server, metric } = await bench(t, () => {}, { redis: null })
  const first = generations.generate(idempotent('a'))
  const scratch = await server.call(1)
  first.leave()
  answerJson(scratch, 200, documentOf('late'))
  while ((await metric('loopgate_flights')) > 0) await new Promise(setImmediate)
  t.match(await ask(generations, idempotent('a')), { content: 'late', generation: { outcome: 'hit' } })
})

t.test('nobody is waited for without end: an idempotent call that all have left is given up', async (t) => {
  const clock = manualClock()
  const { generations, server, metric } = await bench(t, () => {}, { redis: null, clock, idleMs: 3_600_000 })
  const ticket = generations.generate(idempotent('a'))
  const scratch = await server.call(1)
  ticket.leave()
  t.equal(await metric('loopgate_flights'), 1)
  clock.advance(600_000)
  await scratch.abandoned
  t.equal(await metric('loopgate_flights'), 0)
})

t.test('an idempotent call that fails is tried anew by its repetition', async (t) => {
  const { generations } = await bench(t, (scratch) =>
    scratch.serial === 1 ? answerJson(scratch, 500, { message: 'no' }) : numbered(scratch),
  )
  await t.rejects(ask(generations, idempotent('a')), { code: 'LG_UPSTREAM_ERROR' })
  t.match(await ask(generations, idempotent('a')), { generation: { outcome: 'miss' } })
})

const timed = (timeoutSeconds: number) => call({}, { timeoutSeconds })

t.test('a client that leaves when its own time is over will come again, and finds the call going on', async (t) => {
  const clock = manualClock()
  const { generations, server } = await bench(t, () => {}, { redis: null, clock })
  const first = generations.generate(timed(2))
  const scratch = await server.call(1)
  clock.advance(2500)
  first.leave()
  clock.advance(8000)
  const second = generations.generate(timed(2))
  answerJson(scratch, 200, documentOf('once'))
  t.match(await read(second), { content: 'once', generation: { outcome: 'coalesced' } })
  t.equal(server.calls.length, 1)
})

t.test(
  'a client that leaves before its time is over, or does not come again, costs the upstream nothing more',
  async (t) => {
    const clock = manualClock()
    const { generations, server, metric } = await bench(t, () => {}, { redis: null, clock })
    const early = generations.generate(timed(2))
    const one = await server.call(1)
    clock.advance(1000)
    early.leave()
    await one.abandoned
    const late = generations.generate(timed(2))
    const two = await server.call(2)
    clock.advance(2100)
    late.leave()
    t.equal(await metric('loopgate_flights'), 1)
    clock.advance(10_000)
    await two.abandoned
    t.equal(await metric('loopgate_flights'), 0)
  },
)
