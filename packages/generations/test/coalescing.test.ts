import { once } from 'node:events'
import { beginStream, answerJson, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import type { Ticket } from '../src/index.ts'
import { ask, bench, call, chunksOf, dataOf, documentOf, event, read, slowSink, streaming } from './kit.ts'

const [ROLE, FIRST, SECOND, THIRD, FINISH, DONE] = chunksOf(['Hel', 'lo ', '🌍']) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
]
const REST = Buffer.concat([SECOND, THIRD, FINISH, DONE])

/** Holds each reply after its first two chunks until the test goes on. */
const held = (scratch: ScratchCall): boolean => beginStream(scratch).write(Buffer.concat([ROLE, FIRST]))

t.test('five hundred equal requests at once, half of them streaming, cost one upstream call', async (t) => {
  const { generations, server, metric } = await bench(t, streaming())
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, index) => ask(generations, call(index % 2 === 0 ? { stream: true } : {}))),
  )
  t.equal(server.calls.length, 1)
  t.strictSame(new Set(answers.map(({ content }) => content)), new Set(['Hello 🌍']))
  t.equal(new Set(answers.map(({ generation }) => generation.key)).size, 1)
  t.equal(await metric('loopgate_generations_total', '{outcome="miss"}'), 1)
  t.equal(await metric('loopgate_generations_total', '{outcome="coalesced"}'), 499)
  t.equal(await metric('loopgate_generation_results_total', '{result="ok"}'), 500)
  t.equal(await metric('loopgate_tokens_total', '{tenant="acme",source="upstream",kind="prompt"}'), 3)
  t.equal(await metric('loopgate_tokens_total', '{tenant="acme",source="saved",kind="prompt"}'), 3 * 499)
  t.equal(await metric('loopgate_flights'), 0)
})

t.test('the same holds when the upstream answers with a document: streams are made from it', async (t) => {
  const { generations, server } = await bench(t, (scratch) => answerJson(scratch, 200, documentOf('Hello 🌍')))
  const answers = await Promise.all([
    ask(generations, call()),
    ask(generations, call({ stream: true })),
    ask(generations, call({ stream: false })),
  ])
  t.equal(server.calls.length, 1)
  t.strictSame(new Set(answers.map(({ content }) => content)), new Set(['Hello 🌍']))
  t.ok(dataOf(answers[1]?.text ?? '').length > 2, 'in more than one chunk')
})

t.test('callers who come late get the stream from its beginning, byte for byte', async (t) => {
  const { generations, server } = await bench(t, held)
  const first = generations.generate(call({ stream: true }))
  await first.ready
  const late = generations.generate(call({ stream: true }))
  t.equal((await late.ready).outcome, 'coalesced')
  const { response } = await server.call(1)
  response.end(REST)
  const texts = await Promise.all([first, late].map(async (ticket) => (await read(ticket)).text))
  t.strictSame(new Set(texts), new Set([Buffer.concat([ROLE, FIRST, REST]).toString()]))
  t.equal(server.calls.length, 1)
})

t.test('the first chunk reaches a caller before the upstream sends the second', async (t) => {
  const { generations, server } = await bench(t, held)
  const { content } = await generations.generate(call({ stream: true })).ready
  const reader = slowSink()
  reader.goOn()
  if (content.kind === 'stream') content.pipe(reader.sink)
  while (!reader.text().includes('Hel')) await new Promise(setImmediate)
  ;(await server.call(1)).response.end(REST)
  await once(reader.sink, 'finish')
  t.ok(reader.text().endsWith('[DONE]\n\n'))
})

t.test('a leader that leaves does no harm to those who follow', async (t) => {
  const { generations, server, metric } = await bench(t, held)
  const leader = generations.generate(call({ stream: true }))
  await leader.ready
  const followers = Array.from({ length: 99 }, (_, index) => generations.generate(call({ stream: index % 2 === 0 })))
  leader.leave()
  ;(await server.call(1)).response.end(REST)
  const contents = await Promise.all(followers.map(async (ticket) => (await read(ticket)).content))
  t.strictSame(new Set(contents), new Set(['Hello 🌍']))
  t.equal(server.calls.length, 1)
  t.equal(await metric('loopgate_generation_results_total', '{result="client_closed"}'), 1)
})

t.test('when all have left, the upstream call is given up, and the next caller starts anew', async (t) => {
  const { generations, server, metric } = await bench(t, held)
  const tickets = [call({ stream: true }), call(), call({ stream: true })].map((asked) => generations.generate(asked))
  const first = await server.call(1)
  await tickets[0]?.ready
  for (const ticket of tickets) ticket.leave()
  await first.abandoned
  await t.rejects((tickets[1] as Ticket).ready, { code: 'LG_CLIENT_CLOSED' })
  t.equal(await metric('loopgate_flights'), 0)
  const next = generations.generate(call())
  ;(await server.call(2)).response.end(REST)
  t.equal((await read(next)).generation.outcome, 'miss')
})

t.test('a caller that leaves before anything is known calls nobody back and costs nothing', async (t) => {
  const { generations, server } = await bench(t, streaming())
  const ticket = generations.generate(call())
  ticket.leave()
  await t.rejects(ticket.ready, { code: 'LG_CLIENT_CLOSED' })
  t.equal((await ask(generations, call())).content, 'Hello 🌍')
  t.equal(server.calls.length, 1, 'the one that left was still looking into Redis')
})

t.test('an error before the first byte goes to all as an ordinary error; the next caller is served', async (t) => {
  const { generations, server } = await bench(t, (scratch) =>
    scratch.serial === 1
      ? answerJson(scratch, 400, { message: 'no such field', code: 'wrong_api_format' })
      : streaming()(scratch),
  )
  const tickets = [call({ stream: true }), call(), call()].map((asked) => generations.generate(asked))
  for (const ticket of tickets) await t.rejects(ticket.ready, { code: 'LG_BAD_REQUEST', message: 'no such field' })
  t.equal((await ask(generations, call())).generation.outcome, 'miss')
  t.equal(server.calls.length, 2)
})

t.test('an error event right behind the status is still an ordinary error', async (t) => {
  const failing = (scratch: ScratchCall) =>
    beginStream(scratch).end(event({ error: { message: 'no' }, status_code: 503 }))
  const { generations, metric } = await bench(t, failing)
  await t.rejects(generations.generate(call({ stream: true })).ready, { code: 'LG_UPSTREAM_ERROR', statusCode: 503 })
  await t.rejects(generations.generate(call()).ready, { code: 'LG_UPSTREAM_ERROR' })
  t.equal(await metric('loopgate_generation_results_total', '{result="upstream_error"}'), 2)
})

const failures: ReadonlyArray<readonly [name: string, end: (scratch: ScratchCall) => unknown, code: string]> = [
  [
    'a nested error',
    ({ response }) => response.end(event({ error: { message: 'x', type: 'server_error' }, status_code: 500 })),
    'upstream_error',
  ],
  [
    'a flat error',
    ({ response }) => response.end(event({ message: 'x', type: 'y', code: 'queue_exceeded' })),
    'queue_exceeded',
  ],
  ['a clean end without a finish reason', ({ response }) => response.end(), 'upstream_truncated'],
  ['a clean end with [DONE] but no finish reason', ({ response }) => response.end(DONE), 'upstream_truncated'],
  ['half an event', ({ response }) => response.end(SECOND.subarray(0, 20)), 'upstream_truncated'],
  ['a reset', ({ response }) => response.req.socket.resetAndDestroy(), 'upstream_truncated'],
]
for (const [name, end, code] of failures) {
  t.test(
    `${name} in mid-stream is told in band to all who stream, as an error to the others, and never kept`,
    async (t) => {
      // Patience enough for the pause that a congested upstream causes.
      const { generations, server } = await bench(t, held, { scheduling: { deadlineMs: 20_000 } })
      const streams = [1, 2].map(() => generations.generate(call({ stream: true })))
      const whole = generations.generate(call())
      const scratch = await server.call(1)
      await Promise.all(streams.map((ticket) => ticket.ready))
      end(scratch)
      for (const { text } of await Promise.all(streams.map(read))) {
        t.ok(text.startsWith(Buffer.concat([ROLE, FIRST]).toString()), 'what had come is kept')
        t.notMatch(text, '[DONE]')
        const last = JSON.parse(dataOf(text).at(-1) ?? '') as Record<string, unknown> & {
          error: Record<string, unknown>
        }
        t.match(last, {
          id: 'chatcmpl-1',
          model: 'm',
          choices: [{ index: 0, delta: {}, finish_reason: 'error' }],
          error: { code },
        })
        for (const member of ['message', 'type', 'param', 'code']) t.equal(last[member], last.error[member])
      }
      t.match(await whole.ready.catch((error: unknown) => error), { name: 'LoopgateError', openaiCode: code })
      const next = generations.generate(call())
      ;(await server.call(2)).response.end(REST)
      t.equal((await read(next)).generation.outcome, 'miss', 'nothing was kept, and nobody joins what has failed')
    },
  )
}

t.test('a connection that breaks after [DONE] has broken nothing', async (t) => {
  const { generations } = await bench(t, (scratch) => {
    const bytes = Buffer.concat(chunksOf(['x']))
    beginStream(scratch).write(bytes, () => scratch.response.req.socket.resetAndDestroy())
  })
  t.equal((await ask(generations, call({ stream: true }))).content, 'x')
})

t.test('a document cut in half is an error, as is what is no completion', async (t) => {
  const bodies = [JSON.stringify(documentOf('x')).slice(0, 40), '', '<html>', '{"object":"list"}', '[]']
  const { generations } = await bench(t, ({ serial, response }) => response.writeHead(200).end(bodies[serial - 1]))
  for (const code of ['TRUNCATED', 'TRUNCATED', 'ERROR', 'ERROR', 'ERROR']) {
    await t.rejects(generations.generate(call()).ready, { code: `LG_UPSTREAM_${code}` })
  }
})

t.test('a reader that takes nothing holds up nobody and gets everything when it goes on', async (t) => {
  const { generations } = await bench(t, streaming(Array.from({ length: 200 }, (_, index) => `${index} `)))
  const slow = await generations.generate(call({ stream: true })).ready
  const fast = generations.generate(call({ stream: true }))
  const reader = slowSink()
  if (slow.content.kind === 'stream') slow.content.pipe(reader.sink)
  const { text } = await read(fast)
  t.not(reader.text(), text)
  reader.goOn()
  await once(reader.sink, 'finish')
  t.equal(reader.text(), text)
})

t.test('a flight that has outgrown its bound is passed on, but nobody can join it and it is not kept', async (t) => {
  const { generations, server } = await bench(t, held, { flightBytes: ROLE.length + FIRST.length + 1 })
  const { content } = await generations.generate(call({ stream: true })).ready
  const reader = slowSink()
  reader.goOn()
  if (content.kind === 'stream') content.pipe(reader.sink)
  const { response } = await server.call(1)
  response.write(Buffer.concat([SECOND, THIRD]))
  while (!reader.text().includes('🌍')) await new Promise(setImmediate)
  const refused = generations.generate(call())
  const second = await server.call(2)
  response.end(Buffer.concat([FINISH, DONE]))
  await once(reader.sink, 'finish')
  t.equal(reader.text(), Buffer.concat([ROLE, FIRST, REST]).toString())
  second.response.end(REST)
  t.match((await read(refused)).generation, { outcome: 'miss' })
  const third = generations.generate(call())
  ;(await server.call(3)).response.end(REST)
  t.match((await read(third)).generation, { outcome: 'miss' })
})
