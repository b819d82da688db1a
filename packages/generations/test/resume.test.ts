import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import type { Delivery } from '../src/index.ts'
import { ask, bench, call, chunksOf, documentOf, event, read, slowSink, streaming } from './kit.ts'
import { onNetwork, until } from './net-kit.ts'

const delivered = (delivery: Partial<Delivery>, body: Record<string, unknown> = {}) =>
  call({ stream: true, ...body }, { delivery: { resumable: false, resume: null, eventsPerSecond: null, ...delivery } })

/** The id of each event in a stream. */
const idsOf = (text: string): string[] => [...text.matchAll(/^id: (.*)$/gm)].map((match) => match[1] ?? '')
const withoutIds = (text: string): string => text.replaceAll(/^id: .*\n/gm, '')

function pointOf(id: string): NonNullable<Delivery['resume']> {
  const [key = '', after = '', mark = null] = id.split(':')
  return { key, after: Number(after), mark }
}

t.test('a resumable stream is the plain one with an id on each event', async (t) => {
  const { generations } = await bench(t, streaming())
  const numbered = await ask(generations, delivered({ resumable: true }))
  const plain = await ask(generations, call({ stream: true }))
  t.equal(withoutIds(numbered.text), plain.text)
  t.notMatch(plain.text, 'id: ')
  const ids = idsOf(numbered.text)
  t.equal(ids.length, plain.text.split('\n\n').length - 1)
  t.strictSame(
    ids.map((id) => pointOf(id).after),
    ids.map((_, index) => index + 1),
  )
  for (const id of ids) t.equal(pointOf(id).key, numbered.generation.key)
})

t.test('whoever breaks off after any event gets exactly the rest, from the entry, on any replica', async (t) => {
  const { generations, server, replica, store } = await bench(t, streaming())
  const whole = await ask(generations, delivered({ resumable: true }))
  await store.keyOf(whole.generation)
  const far = replica().generations
  const ids = idsOf(whole.text)
  for (const [index, id] of ids.entries()) {
    const rest = await ask(index % 2 === 0 ? far : generations, delivered({ resume: pointOf(id) }))
    const from = whole.text.indexOf(`id: ${ids[index + 1]}`)
    t.equal(rest.text, from === -1 ? '' : whole.text.slice(from), id)
  }
  t.equal(server.calls.length, 1)
})

t.test('a stream goes on from the flight while it is under way', async (t) => {
  const chunks = chunksOf(['Hel', 'lo'])
  const { generations, server } = await bench(t, (scratch: ScratchCall) => {
    beginStream(scratch).write(Buffer.concat(chunks.slice(0, 2)))
  })
  const first = generations.generate(delivered({ resumable: true }))
  const { content } = await first.ready
  const reader = slowSink()
  reader.goOn()
  if (content.kind === 'stream') content.pipe(reader.sink)
  while (!reader.text().includes('Hel')) await new Promise(setImmediate)
  const second = generations.generate(delivered({ resume: pointOf(idsOf(reader.text())[0] ?? '') }))
  t.equal((await second.ready).outcome, 'coalesced')
  ;(await server.call(1)).response.end(Buffer.concat(chunks.slice(2)))
  t.equal(withoutIds((await read(second)).text), Buffer.concat(chunks.slice(1)).toString())
  t.equal(server.calls.length, 1)
})

t.test('what is neither under way nor stored is not begun anew', async (t) => {
  const { generations, server } = await bench(t, streaming())
  const { text } = await ask(generations, delivered({ resumable: true }))
  await generations.cache.purge('acme')
  const other = await bench(t, streaming(), { redis: null, secret: 'secret' })
  const point = pointOf(idsOf(text)[1] ?? '')
  await t.rejects(ask(other.generations, delivered({ resume: point })), { code: 'LG_NOT_FOUND' })
  t.equal(other.server.calls.length, 0)
  await t.rejects(ask(generations, delivered({ resume: point })), { code: 'LG_CONFLICT' }, 'the key is another now')
  await t.rejects(ask(generations, delivered({ resume: point }, { seed: 1 })), { code: 'LG_CONFLICT' })
  await t.rejects(ask(generations, delivered({ resume: point }, { temperature: 1 })), { code: 'LG_CONFLICT' })
  t.equal(server.calls.length, 1)
})

t.test('two generations of one key are never mixed into one stream', async (t) => {
  const { generations } = await bench(t, (scratch) => {
    const id = `chatcmpl-${scratch.serial}`
    beginStream(scratch).end(
      Buffer.concat([
        event({ id, choices: [{ index: 0, delta: { content: 'x' } }] }),
        event({ id, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
      ]),
    )
  })
  const first = await ask(generations, delivered({ resumable: true }))
  await ask(generations, call({ stream: true }, { noCache: true }))
  const { text } = await ask(generations, delivered({ resume: pointOf(idsOf(first.text)[0] ?? '') }))
  t.match(text, '"finish_reason":"error"')
  t.match(text, '"code":"conflict"')
  t.notMatch(text, 'chatcmpl-1')
})

t.test('events are numbered whatever their line ends; comments are passed on and are no events', async (t) => {
  const odd = `\uFEFF: hello\r\n\r\ndata: {"choices":[{"index":0,"delta":{"content":"é"}}]}\r\rdata: {"choices":[{"index":0,\ndata: "delta":{},"finish_reason":"stop"}]}\n\n: bye\n\ndata:[DONE]\r\n\r\n`
  const { generations } = await bench(t, (scratch) => beginStream(scratch).end(odd))
  const { text } = await ask(generations, delivered({ resumable: true }))
  // The reader of this test takes the byte order mark away, as browsers do.
  t.equal(withoutIds(text), odd.slice(1))
  t.equal(idsOf(text).length, 3)
  const rest = await ask(generations, delivered({ resume: pointOf(idsOf(text)[1] ?? '') }))
  t.match(rest.text, /^: hello\r\n\r\n: bye\n\nid: .*\ndata:\[DONE\]\r\n\r\n$/)
})

t.test('a replay keeps the pace that is asked for, and gives the same bytes', async (t) => {
  const clock = manualClock()
  const { generations } = await bench(t, streaming(['a', 'b', 'c', 'd']), { redis: null, clock })
  const live = generations.generate(call({ stream: true }))
  const { content: relayed } = await live.ready
  const plain = slowSink()
  plain.goOn()
  if (relayed.kind === 'stream') relayed.pipe(plain.sink)
  while (!plain.sink.writableFinished) {
    clock.advance(2)
    await new Promise(setImmediate)
  }
  const { content } = await generations.generate(delivered({ eventsPerSecond: 10 })).ready
  const reader = slowSink()
  reader.goOn()
  if (content.kind === 'stream') content.pipe(reader.sink)
  const events = () => reader.text().split('\n\n').length - 1
  const seen = [events()]
  for (let turn = 0; turn < 6; turn++) {
    clock.advance(100)
    seen.push(events())
  }
  t.strictSame(seen, [1, 2, 3, 4, 5, 6, 7])
  t.equal(reader.text(), plain.text())
  t.ok(reader.sink.writableEnded)
})

t.test('a paced replay stops when its caller leaves, and waits for one that does not read', async (t) => {
  const clock = manualClock()
  const { generations } = await bench(t, (scratch) => answerJson(scratch, 200, documentOf('x'.repeat(2000))), {
    redis: null,
    clock,
  })
  await ask(generations, call())
  const ticket = generations.generate(delivered({ eventsPerSecond: 1 }))
  const { content } = await ticket.ready
  const reader = slowSink()
  if (content.kind === 'stream') content.pipe(reader.sink)
  clock.advance(60_000)
  const first = reader.text()
  t.equal(first.split('\n\n').length - 1, 1, 'blocked after the first')
  ticket.leave()
  reader.goOn()
  clock.advance(60_000)
  t.equal(reader.text(), first)
  t.notOk(reader.sink.writableEnded)
})

t.test('a stream goes on on another replica while it is under way on the first', async (t) => {
  const chunks = chunksOf(['Hel', 'lo'])
  const { generations, replica, server } = await bench(t, (scratch: ScratchCall) => {
    beginStream(scratch).write(Buffer.concat(chunks.slice(0, 2)))
  })
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  const first = one.generations.generate(delivered({ resumable: true }))
  const { content } = await first.ready
  const reader = slowSink()
  reader.goOn()
  if (content.kind === 'stream') content.pipe(reader.sink)
  await until(() => reader.text().includes('Hel'))
  const [id = ''] = idsOf(reader.text())
  const second = two.generations.generate(delivered({ resume: pointOf(id) }))
  await until(() => one.followers() === 1)
  ;(await server.call(1)).response.end(Buffer.concat(chunks.slice(2)))
  t.equal(withoutIds((await read(second)).text), Buffer.concat(chunks.slice(1)).toString())
  const elsewhere = { ...delivered({ resume: pointOf(id) }, { seed: 1 }) }
  await t.rejects(ask(two.generations, elsewhere), { code: 'LG_CONFLICT' })
  t.equal(server.calls.length, 1)
})

t.test('looking for a flight to go on with takes the lead from nobody', async (t) => {
  const { generations, replica, server, store } = await bench(t, streaming())
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  const whole = await ask(one.generations, delivered({ resumable: true }))
  const name = await store.keyOf(whole.generation)
  await store.client.unlink(name)
  const [id = ''] = idsOf(whole.text)
  await t.rejects(ask(two.generations, delivered({ resume: pointOf(id) })), { code: 'LG_NOT_FOUND' })
  t.match((await ask(two.generations, call({ stream: true }))).generation, { outcome: 'miss', role: 'leader' })
  t.equal(server.calls.length, 2)
})
