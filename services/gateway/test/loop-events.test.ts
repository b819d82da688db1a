import {
  loopEventSchema,
  loopViewSchema,
  type IterationRecord,
  type LoopEvent,
  type LoopInput,
} from '@loopgate/contracts'
import { connectRedis, createLoopStore, type LoopStore } from '@loopgate/loop-store'
import { systemClock } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { gateway } from '@loopgate/testkit/gateway'
import { lossyWay } from '@loopgate/testkit/lossy-way'
import { redis } from '@loopgate/testkit/redis'
import t, { type Test } from 'tap'
import { send, series, until } from './kit/http.ts'

const shared = await redis(t)
// Two replicas, and a hand on the store where a worker would be.
const one = await gateway(t, { redis: shared })
const two = await gateway(t, { redis: shared, env: {} })
const connection = connectRedis(shared.url, 'worker')
const store: LoopStore = createLoopStore({ redis: connection, clock: systemClock }, { keyPrefix: shared.keyPrefix })
t.teardown(async () => {
  await store.close()
  connection.disconnect()
})

const INPUT: LoopInput = {
  goal: 'g',
  language: 'python',
  checks: [{ id: 'c', entryPoint: 'f', source: 'pass' }],
  sampling: { model: 'sim' },
  budget: { iterations: 50 },
}
const record = (iteration: number): IterationRecord => ({
  iteration,
  wave: 1,
  sampleIndex: iteration - 1,
  cache: 'miss',
  completionTokens: 1,
  totalTokens: 2,
  candidateSha256: 'a'.repeat(64),
  duplicateOf: null,
  outcome: 'ok',
  verdict: 'fail',
  evidence: 'no',
})

async function newLoop(): Promise<{
  id: string
  step: (iteration: number) => Promise<unknown>
  end: () => Promise<unknown>
}> {
  const { id } = loopViewSchema.parse((await send(`${one.url}/api/loops`, { key: one.apiKey, body: INPUT })).json)
  const { fence } = (await store.acquire(id))!
  return {
    id,
    step: (iteration) =>
      store.commit(id, fence, { iterations: [{ record: record(iteration), fresh: true, executed: true }], waveEnd: 8 }),
    end: () =>
      store.commit(id, fence, {
        iterations: [],
        waveEnd: 8,
        transition: { state: 'exhausted', reason: 'r' },
      }),
  }
}

type Stream = {
  readonly response: Response
  /** The next event, or null at the end of the stream. */
  readonly next: () => Promise<LoopEvent | null>
  readonly rest: () => Promise<LoopEvent[]>
  readonly leave: () => void
}

async function follow(
  t: Test,
  gw: typeof one,
  id: string,
  {
    query = '',
    headers = {},
    key = gw.apiKey,
  }: { query?: string; headers?: Record<string, string>; key?: string } = {},
): Promise<Stream> {
  const left = new AbortController()
  t.teardown(() => left.abort())
  const response = await fetch(`${gw.url}/api/loops/${id}/events${query}`, {
    headers: { authorization: `Bearer ${key}`, ...headers },
    signal: left.signal,
  })
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  const next = async (): Promise<LoopEvent | null> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const block = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        if (block.every((line) => line.startsWith(':'))) continue
        const field = (name: string): string =>
          block.find((line) => line.startsWith(`${name}: `))!.slice(name.length + 2)
        const event = loopEventSchema.parse(JSON.parse(field('data')))
        t.equal(field('id'), String(event.seq))
        t.equal(field('event'), event.event.type)
        return event
      }
      const piece = await reader?.read()
      if (piece === undefined || piece.done) return null
      text += decoder.decode(piece.value, { stream: true })
    }
  }
  return {
    response,
    next,
    async rest() {
      const events: LoopEvent[] = []
      for (let event = await next(); event !== null; event = await next()) events.push(event)
      return events
    },
    leave: () => left.abort(),
  }
}

const numbers = (events: readonly LoopEvent[]): number[] => events.map(({ seq }) => seq)
const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

t.test('events arrive as they happen on any replica, dense from 1, and the stream ends with the loop', async (t) => {
  const loop = await newLoop()
  for (const gw of [one, two]) {
    const { response } = await follow(t, gw, loop.id)
    t.match(response.headers.get('content-type'), /^text\/event-stream/)
    t.equal(response.headers.get('cache-control'), 'private, no-store')
    t.equal(response.headers.get('x-accel-buffering'), 'no')
    t.match(response.headers.get('x-request-id'), /^req_/)
  }
  const streams = [await follow(t, one, loop.id), await follow(t, two, loop.id)]
  for (const stream of streams) t.strictSame([(await stream.next())?.seq, (await stream.next())?.seq], [1, 2])
  await loop.step(1)
  // Each has it before the next one is written: nothing is held back for company.
  for (const stream of streams) t.match((await stream.next())?.event, { type: 'iteration', record: { iteration: 1 } })
  await loop.step(2)
  await loop.end()
  for (const stream of streams) {
    const rest = await stream.rest()
    t.strictSame(numbers(rest), [4, 5])
    t.match(rest.at(-1)?.event, { type: 'state', state: 'exhausted' })
  }
})

t.test('a reader goes on from any number, by query or Last-Event-ID, which is the stronger', async (t) => {
  const loop = await newLoop()
  for (let iteration = 1; iteration <= 6; iteration += 1) await loop.step(iteration)
  await loop.end()
  const last = 9
  for (let seq = 0; seq < last; seq += 1) {
    t.strictSame(numbers(await (await follow(t, two, loop.id, { query: `?after=${seq}` })).rest()), upTo(last, seq + 1))
    const headers = { 'last-event-id': String(seq) }
    t.strictSame(
      numbers(await (await follow(t, two, loop.id, { query: '?after=1', headers })).rest()),
      upTo(last, seq + 1),
    )
  }
  for (const seq of [last, last + 1, 1_000_000]) {
    const { response } = await follow(t, one, loop.id, { query: `?after=${seq}` })
    t.equal(response.status, 204, 'nothing is to come: EventSource does not connect again')
  }
  for (const query of ['?after=-1', '?after=x', '?after=1.5', '?from=1']) {
    t.equal((await follow(t, one, loop.id, { query })).response.status, 400, query)
  }
  t.equal((await follow(t, one, loop.id, { headers: { 'last-event-id': 'x' } })).response.status, 400)
})

t.test('a reader cut off at every event, who comes back to the other replica, sees each event once', async (t) => {
  const loop = await newLoop()
  const seen: number[] = []
  const writer = (async () => {
    for (let iteration = 1; iteration <= 12; iteration += 1) await loop.step(iteration)
    await loop.end()
  })()
  for (let turn = 0; seen.at(-1) !== 15; turn += 1) {
    const stream = await follow(t, turn % 2 === 0 ? one : two, loop.id, {
      headers: { 'last-event-id': String(seen.at(-1) ?? 0) },
    })
    const event = await stream.next()
    if (event !== null) seen.push(event.seq)
    stream.leave()
  }
  await writer
  t.strictSame(seen, upTo(15))
})

t.test('many events make many pages, none lost or doubled', async (t) => {
  const loop = await newLoop()
  const { fence } = (await store.acquire(loop.id))!
  const iterations = Array.from({ length: 450 }, (_, index) => ({
    record: record(index + 1),
    fresh: true,
    executed: true,
  }))
  await store.commit(loop.id, fence, { iterations, waveEnd: 450 })
  await send(`${one.url}/api/loops/${loop.id}/cancel`, { method: 'POST', key: one.apiKey })
  const events = await (async () => {
    const stream = await follow(t, one, loop.id)
    await store.commit(loop.id, fence, {
      iterations: [],
      waveEnd: 450,
      transition: { state: 'cancelled', reason: 'asked for' },
    })
    return stream.rest()
  })()
  t.strictSame(numbers(events), upTo(events.length))
  t.equal(events.filter(({ event }) => event.type === 'iteration').length, 450)
})

t.test('a reader who leaves is let go: no open stream is left', async (t) => {
  const loop = await newLoop()
  const streams = await Promise.all(Array.from({ length: 20 }, () => follow(t, one, loop.id)))
  const open = async (): Promise<number> => series((await send(`${one.url}/metrics`)).text, 'loopgate_event_streams')
  t.ok((await open()) >= 20)
  for (const stream of streams) stream.leave()
  await until(async () => ((await open()) === 0 ? true : undefined))
})

t.test(
  'a quiet stream says every ten seconds that it lives, and is no later for it when something happens',
  async (t) => {
    const clock = manualClock()
    const gw = await gateway(t, { redis: shared }, { clock })
    const loop = await newLoop()
    const left = new AbortController()
    t.teardown(() => left.abort())
    const { body } = await fetch(`${gw.url}/api/loops/${loop.id}/events`, {
      headers: { authorization: `Bearer ${gw.apiKey}` },
      signal: left.signal,
    })
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const reading = (async () => {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value
    })().catch(() => {})
    for (let comments = 1; comments <= 3; comments += 1) {
      await until(() => {
        clock.advance(10_000)
        return text.split(': keep-alive\n\n').length > comments ? true : undefined
      })
    }
    await loop.step(1)
    await until(() => (text.includes('event: iteration') ? true : undefined))
    left.abort()
    await reading
  },
)

t.test('a closing replica ends its streams at once, and the reader goes on at another', async (t) => {
  const third = await gateway(t, { redis: shared })
  const loop = await newLoop()
  const stream = await follow(t, third, loop.id)
  await stream.next()
  await third.app.close()
  const seen = 1 + (await stream.rest()).length
  await loop.end()
  const rest = await (await follow(t, one, loop.id, { query: `?after=${seen}` })).rest()
  t.equal(rest.at(-1)?.event.type, 'state')
  t.equal(rest[0]?.seq, seen + 1)
})

t.test('a Redis that cannot be reached in the middle ends the stream, and the reader can resume', async (t) => {
  const way = await lossyWay(t, shared.url)
  const gw = await gateway(t, { redis: { url: way.url, keyPrefix: shared.keyPrefix } })
  const loop = await newLoop()
  const stream = await follow(t, gw, loop.id)
  t.strictSame([(await stream.next())?.seq, (await stream.next())?.seq], [1, 2])
  way.hangUp()
  await loop.step(1)
  await loop.end()
  way.mend()
  const rest = await stream.rest()
  const after = rest.at(-1)?.seq ?? 2
  const resumed = after === 4 ? [] : await (await follow(t, one, loop.id, { query: `?after=${after}` })).rest()
  t.strictSame(numbers([...rest, ...resumed]), [3, 4])
})
