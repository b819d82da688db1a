import { once } from 'node:events'
import { TERMINAL_STATES, type LoopEvent, type LoopState } from '@loopgate/contracts'
import t from 'tap'
import type { Client } from '../src/index.ts'
import { json, problem, scratch, type Answer } from './scratch-server.ts'

const event = (seq: number, state: LoopState = 'running'): LoopEvent => ({
  seq,
  at: '2026-11-25T00:00:00.000Z',
  event: { type: 'state', state, reason: null },
})
const frame = (one: LoopEvent): string => `id: ${one.seq}\nevent: ${one.event.type}\ndata: ${JSON.stringify(one)}\n\n`
const LOOP: readonly LoopEvent[] = [event(1, 'queued'), event(2), event(3), event(4), event(5, 'accepted')]

const stream =
  (text: string, ending: 'end' | 'cut' | 'open' = 'end'): Answer =>
  ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text, () => {
      if (ending === 'end') response.end()
      if (ending === 'cut') response.socket?.destroy()
    })
  }

async function collect(client: Client, after = 0): Promise<number[]> {
  const seqs: number[] = []
  for await (const { seq } of client.loops.events('loop_1', { after })) seqs.push(seq)
  return seqs
}

t.test('events come in order and end with the loop, though the connection stays open', async (t) => {
  const { client, seen } = await scratch(t, {}, ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`: hello\n\n${LOOP.map(frame).join('')}`)
  })
  t.strictSame(await collect(client), [1, 2, 3, 4, 5])
  t.match(seen, [{ url: '/api/loops/loop_1/events?after=0', headers: { accept: 'text/event-stream' } }])
  const [one] = seen
  if (one && !one.response.closed) await once(one.response, 'close')
  t.pass('and the connection was closed')
})

t.test('a stream that is cut is taken up after the last event, wherever the cut was', async (t) => {
  const text = LOOP.map(frame).join('')
  const { client, seen } = await scratch(
    t,
    {},
    stream(text.slice(0, frame(event(1)).length + 20), 'cut'),
    problem(503),
    stream(frame(event(2)), 'end'),
    stream(`${frame(event(2))}${frame(event(3))}`, 'cut'),
    stream(LOOP.slice(3).map(frame).join('')),
  )
  t.strictSame(await collect(client), [1, 2, 3, 4, 5])
  t.strictSame(
    seen.map(({ url }) => new URL(url, 'http://x').searchParams.get('after')),
    ['0', '1', '1', '2', '3'],
  )
})

t.test('an event that was left out is fetched, not skipped', async (t) => {
  const { client } = await scratch(
    t,
    {},
    stream(frame(event(1)) + frame(event(3))),
    stream(LOOP.slice(1).map(frame).join('')),
  )
  t.strictSame(await collect(client), [1, 2, 3, 4, 5])
})

t.test('a loop that has ended and has nothing more to say ends the iteration', async (t) => {
  const { client } = await scratch(t, {}, ({ response }) => response.writeHead(204).end())
  t.strictSame(await collect(client, 5), [])
})

t.test('a loop that is not there is an error, at once', async (t) => {
  const { client, seen } = await scratch(t, {}, problem(404, { retryable: false, code: 'LG_NOT_FOUND' }))
  await t.rejects(collect(client), { status: 404, code: 'LG_NOT_FOUND' })
  t.equal(seen.length, 1)
})

t.test('connections that bring nothing are given up after some', async (t) => {
  const { client, seen } = await scratch(t, {}, stream('', 'cut'))
  await t.rejects(collect(client), { code: 'unreachable' })
  t.equal(seen.length, 11)
})

t.test('what is no event of a loop is a bad reply', async (t) => {
  for (const data of ['{"seq":0}', 'not json', '[]']) {
    const { client } = await scratch(t, {}, stream(`data: ${data}\n\n`))
    await t.rejects(collect(client), { code: 'bad_reply' })
  }
})

t.test('who stops listening closes the connection', async (t) => {
  const { client, seen } = await scratch(t, {}, stream(frame(event(1)), 'open'))
  for await (const { seq } of client.loops.events('loop_1')) {
    t.equal(seq, 1)
    break
  }
  const [one] = seen
  if (one && !one.response.closed) await once(one.response, 'close')
  t.pass('closed')
})

t.test('an abort ends the iteration with the reason of the signal', async (t) => {
  const { client } = await scratch(t, {}, stream(frame(event(1)), 'open'))
  const controller = new AbortController()
  const reading = (async () => {
    for await (const _ of client.loops.events('loop_1', { signal: controller.signal })) {
      controller.abort(new Error('enough'))
    }
  })()
  await t.rejects(reading, { message: 'enough' })
})

t.test('waiting for a loop gives the loop as it ended', async (t) => {
  const { client } = await scratch(t, {}, ({ url, response }) => {
    if (url.includes('events')) return stream(LOOP.map(frame).join(''))({ response } as never)
    return json(ended)({ response } as never)
  })
  const view = await client.loops.wait('loop_1')
  t.equal(TERMINAL_STATES.has(view.state), true)
})

t.test('cut after any byte, again and again: each event once, in order', async (t) => {
  const longest = LOOP.map(frame).join('').length
  let bytes = 0
  let clean = false
  const { client } = await scratch(t, {}, ({ url, response }) => {
    const after = Number(new URL(url, 'http://x').searchParams.get('after'))
    const rest = LOOP.slice(after).map(frame).join('')
    // Cut at the same place each time, but for what would bring no event at all.
    const shown = bytes < rest.indexOf('\n\n') + 2 ? rest : rest.slice(0, bytes)
    stream(shown, clean ? 'end' : 'cut')({ response } as never)
  })
  const wrong: string[] = []
  for (bytes = 0; bytes <= longest; bytes += 7) {
    for (clean of [true, false]) {
      const seqs = await collect(client)
      if (JSON.stringify(seqs) !== '[1,2,3,4,5]') wrong.push(`${bytes} ${clean}: ${seqs.join()}`)
    }
  }
  t.strictSame(wrong, [])
})

const ended = {
  id: 'loop_1',
  state: 'accepted',
  reason: 'iteration 1 passes every check',
  counts: {
    iterations: 1,
    waves: 1,
    duplicates: 0,
    executions: 1,
    tokens: 1,
    generations: { hit: 0, miss: 1, coalesced: 0, bypass: 0 },
  },
  accepted: { iteration: 1, sampleIndex: 0, candidateSha256: 'x', code: 'x' },
  request: {
    goal: 'Add.',
    language: 'python',
    checks: [{ id: 'tests', entryPoint: 'add', source: 'x' }],
    sampling: { model: 'm' },
    budget: { iterations: 1 },
  },
  createdAt: '2026-11-25T00:00:00.000Z',
  updatedAt: '2026-11-25T00:00:00.000Z',
  lastSeq: 5,
}
