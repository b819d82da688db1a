import { once } from 'node:events'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { answerJson, beginStream, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { door, metric, post, QUESTION } from '../completions/kit.ts'
import { until } from '../kit/http.ts'
import { contentOf, delta, document, DONE, finish } from './kit.ts'

/** A request over a connection of its own, to be broken off at will. */
function caller(
  gate: { url: string; apiKey: string },
  path: string,
  body: object,
  headers: Record<string, string> = {},
) {
  const text = JSON.stringify(body)
  const socket = connect(Number(new URL(gate.url).port), '127.0.0.1')
  let got = ''
  socket.on('data', (bytes) => (got += String(bytes)))
  socket.on('error', () => {})
  const lines = {
    host: 'x',
    authorization: `Bearer ${gate.apiKey}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n${text}`)
  return { socket, got: () => got }
}

const surfaces = [
  ['/v1/chat/completions', QUESTION],
  ['/v1/completions', { model: 'm', prompt: 'x' }],
] as const
const points = ['before the headers', 'before the first chunk', 'in mid-stream'] as const

for (const [path, question] of surfaces) {
  for (const shareable of [false, true]) {
    for (const stream of [true, false]) {
      const what = `${path}, ${shareable ? 'shareable' : 'not shareable'}, ${stream ? 'stream' : 'document'}`
      t.test(`${what}: a caller that leaves ends the upstream call, whenever it leaves`, async (t) => {
        for (const point of points) {
          const upstream = await scratchUpstream(t, (call) => {
            if (point === 'before the headers') return
            const response = beginStream(call)
            response.flushHeaders()
            if (point === 'in mid-stream') response.write(delta('Hel'))
          })
          const gate = await door(t, upstream)
          const { socket, got } = caller(gate, path, { ...question, stream, ...(shareable && { temperature: 0 }) })
          const call = await upstream.call(1)
          if (stream && point === 'before the first chunk')
            while (!got().includes('\r\n\r\n')) await once(socket, 'data')
          if (stream && point === 'in mid-stream') while (!got().includes('Hel')) await once(socket, 'data')
          socket.destroy()
          await call.abandoned
          const closed = `loopgate_http_requests_total{route="${path}",method="POST",status="499"}`
          t.equal(await metric(gate, closed), 1, `${point}: 499, not a 5xx`)
          t.equal(await metric(gate, 'loopgate_generation_results_total{result="client_closed"}'), 1)
          t.equal(await metric(gate, 'loopgate_flights'), 0)
        }
      })
    }
  }
}

t.test('a caller that leaves while others share its call takes nothing from them', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hel')))
  const gate = await door(t, upstream)
  const body = { ...QUESTION, temperature: 0, stream: true }
  const first = caller(gate, '/v1/chat/completions', body)
  while (!first.got().includes('Hel')) await once(first.socket, 'data')
  const others = Array.from({ length: 9 }, (_, index) => post(gate, { ...body, stream: index % 2 === 0 }))
  const looked = 'loopgate_cache_lookups_total{tier="memory",result="miss"}'
  await until(async () => ((await metric(gate, looked)) === 10 ? true : undefined))
  first.socket.destroy()
  const { response } = await upstream.call(1)
  response.end(`${delta('lo')}${finish()}${DONE}`)
  t.strictSame(new Set((await Promise.all(others)).map(({ text }) => contentOf(text))), new Set(['Hello']))
  t.equal(upstream.calls.length, 1)
})

t.test('an idempotent call goes on when its caller leaves, and the repetition takes the result', async (t) => {
  const upstream = await scratchUpstream(t, () => {})
  const gate = await door(t, upstream)
  const headers = { 'idempotency-key': 'order-66' }
  const first = caller(gate, '/v1/chat/completions', QUESTION, headers)
  const call = await upstream.call(1)
  first.socket.destroy()
  await until(
    async () => (await metric(gate, 'loopgate_generation_results_total{result="client_closed"}')) || undefined,
  )
  const second = post(gate, QUESTION, headers)
  answerJson(call, 200, document('paid once'))
  t.equal(contentOf((await second).text), 'paid once')
  t.match((await post(gate, { ...QUESTION, seed: 1 }, headers)).json, {
    error: { code: 'conflict', param: 'idempotency-key' },
  })
  t.equal(upstream.calls.length, 1)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

t.test('a thousand streams broken off leave no flight, socket, listener or memory behind', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hel')))
  const gate = await door(t, upstream)
  const breakOff = async (count: number): Promise<void> => {
    for (let from = 0; from < count; from += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const body = { ...QUESTION, stream: true, ...(index % 2 === 0 && { seed: index }) }
          const { socket, got } = caller(gate, '/v1/chat/completions', body)
          while (!got().includes('Hel')) await once(socket, 'data')
          socket.destroy()
        }),
      )
      await until(async () => ((await metric(gate, 'loopgate_flights')) === 0 ? true : undefined))
    }
    await Promise.all(upstream.calls.splice(0).map(({ abandoned }) => abandoned))
    await until(async () => ((await connections(gate.app.server)) <= 1 ? true : undefined))
  }
  await breakOff(500)
  const heapUsed = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const [before, listeners] = [heapUsed(), process.eventNames().map((name) => process.listenerCount(name))]
  await breakOff(1000)
  const grownBytes = heapUsed() - before
  t.ok(grownBytes < 4 * 1024 * 1024, `${grownBytes} bytes`)
  t.strictSame(
    process.eventNames().map((name) => process.listenerCount(name)),
    listeners,
  )
  t.equal(await metric(gate, 'loopgate_generation_results_total{result="client_closed"}'), 1500)
})

/** Connections to the gateway; that of the metrics may still be open. */
async function connections(server: Server): Promise<number> {
  return await new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}
