import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import type { TestScope } from '@loopgate/testkit/redis'
import { cerebrasSim, type SimulatorOptions, type TestSimulator } from '@loopgate/testkit/sim'
import t from 'tap'
import { ask } from '../kit.ts'

const LONG = ask('Write.', { min_completion_tokens: 4000 })

async function open(t: TestScope, options: SimulatorOptions, body: Record<string, unknown>) {
  const sim = await cerebrasSim(t, options)
  const call = request(`${sim.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${sim.apiKey}`, 'content-type': 'application/json' },
  })
  call.on('error', () => {})
  call.end(JSON.stringify(body))
  return { sim, call }
}

/** Asks until the stats fit; gives up after five seconds. */
async function statsUntil(sim: TestSimulator, fits: (stats: Awaited<ReturnType<TestSimulator['stats']>>) => boolean) {
  const deadline = Date.now() + 5000
  for (;;) {
    const stats = await sim.stats()
    if (fits(stats) || Date.now() > deadline) return stats
    await new Promise((resolve) => setImmediate(resolve))
  }
}

t.test('a client that leaves a stream stops it: it is counted as aborted and nothing is in flight', async (t) => {
  const { sim, call } = await open(t, { tokensPerSecond: 100 }, { ...LONG, stream: true })
  const [reply] = (await once(call, 'response')) as [IncomingMessage]
  await once(reply, 'data')
  t.match(await sim.stats(), { requests: 1, streams: 1, inFlight: 1, aborted: 0 })
  call.destroy()
  t.match(await statsUntil(sim, (stats) => stats.inFlight === 0), { requests: 1, inFlight: 0, aborted: 1 })
})

t.test('a client that leaves before a whole answer is counted the same way', async (t) => {
  const { sim, call } = await open(t, { tokensPerSecond: 100 }, LONG)
  await statsUntil(sim, (stats) => stats.inFlight === 1)
  call.destroy()
  t.match(await statsUntil(sim, (stats) => stats.inFlight === 0), { requests: 1, streams: 0, inFlight: 0, aborted: 1 })
})

t.test('a client that leaves a stall is counted too', async (t) => {
  const { sim, call } = await open(
    t,
    { faults: [{ kind: 'stall', afterChunks: 1, window: 'minute' }] },
    { ...LONG, stream: true },
  )
  const [reply] = (await once(call, 'response')) as [IncomingMessage]
  const [data] = (await once(reply, 'data')) as [Buffer]
  t.match(String(data), /"role":"assistant"/)
  call.destroy()
  t.match(await statsUntil(sim, (stats) => stats.inFlight === 0), { aborted: 1 })
})

t.test('an answer that was read in full is never aborted, also when the connection closes', async (t) => {
  const { sim, call } = await open(t, {}, { ...LONG, stream: true })
  const [reply] = (await once(call, 'response')) as [IncomingMessage]
  reply.resume()
  await once(reply, 'end')
  call.destroy()
  t.match(await sim.stats(), { requests: 1, streams: 1, inFlight: 0, aborted: 0 })
})

t.test('closing drops streams that are open', async (t) => {
  const { sim, call } = await open(t, { tokensPerSecond: 1 }, { ...LONG, stream: true })
  const [reply] = (await once(call, 'response')) as [IncomingMessage]
  reply.resume()
  reply.on('error', () => {})
  const closed = new Promise((resolve) => reply.once('close', resolve))
  await sim.close()
  await closed
  t.equal(reply.complete, false)
  await t.rejects(fetch(sim.url))
})
