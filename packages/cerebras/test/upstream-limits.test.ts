import { once } from 'node:events'
import type { LoopgateError } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { beginStream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { call, setUp } from './upstream-kit.ts'

const limits = { firstByteMs: 1000, idleMs: 500, totalMs: 10_000 }

t.test('headers that do not come in time end the call and the connection', async (t) => {
  const clock = manualClock()
  const { upstream, server } = await setUp(t, () => {}, limits, clock)
  const late = call(upstream)
  const { abandoned } = await server.call(1)
  clock.advance(1100)
  t.match(await late.over, { code: 'LG_UPSTREAM_TIMEOUT', statusCode: 504, message: /first byte over 1000 ms/ })
  await abandoned
})

t.test('a stream that stalls ends at the gap limit', async (t) => {
  const clock = manualClock()
  const { upstream, server } = await setUp(t, (call) => beginStream(call).write('data: 1\n\n'), limits, clock)
  const stalled = call(upstream)
  await stalled.first
  clock.advance(600)
  t.match(await stalled.over, { code: 'LG_UPSTREAM_TIMEOUT', message: /gap between two pieces over 500 ms/ })
  await (
    await server.call(1)
  ).abandoned
})

t.test('a stream that trickles lives far beyond the other limits, and ends at the total limit', async (t) => {
  const clock = manualClock()
  const { upstream, server } = await setUp(t, (call) => beginStream(call).flushHeaders(), limits, clock)
  const trickling = call(upstream)
  const { response } = await server.call(1)
  let over = false
  void trickling.over.then(() => (over = true))
  for (let piece = 1; (piece - 1) * 450 < limits.totalMs; piece++) {
    response.write(`data: ${piece}\n\n`)
    while (!trickling.text().includes(`data: ${piece}\n\n`)) await new Promise(setImmediate)
    t.equal(over, false, `alive after ${piece} pieces`)
    clock.advance(450)
  }
  t.match(await trickling.over, { code: 'LG_UPSTREAM_TIMEOUT', message: /whole call over 10000 ms/ })
})

t.test('a receiver that pauses gets nothing, the upstream is held back, and no gap is counted', async (t) => {
  const clock = manualClock()
  const piece = Buffer.alloc(256 * 1024, 'x')
  const { upstream, server } = await setUp(t, (call) => beginStream(call).write(piece), limits, clock)
  let paused = false
  let arrivedWhilePaused = 0
  let bytesSeen = 0
  const over = Promise.withResolvers<LoopgateError | null>()
  const firstSeen = Promise.withResolvers<void>()
  const handle = upstream.call({
    path: '/v1/chat/completions',
    model: 'm',
    body: Buffer.from('{}'),
    receiver: {
      onHead() {},
      onBytes(bytes) {
        if (paused) arrivedWhilePaused += bytes.length
        if (bytesSeen === 0) {
          paused = true
          handle.pause()
          firstSeen.resolve()
        }
        bytesSeen += bytes.length
      },
      onEnd: () => over.resolve(null),
      onFault: (error) => over.resolve(error),
    },
  })
  await firstSeen.promise
  const { response } = await server.call(1)
  // Far more than the socket buffers of both sides hold: the peer can only wait.
  for (let sent = 1; sent < 128; sent++) response.write(piece)
  clock.advance(5000)
  t.ok(response.writableNeedDrain)
  paused = false
  handle.resume()
  await once(response, 'drain')
  response.end()
  t.equal(await over.promise, null)
  t.equal(bytesSeen, 128 * piece.length)
  t.equal(arrivedWhilePaused, 0)
})
