import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { manualClock } from '@loopgate/testkit/clock'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { JSON_LINES, openReplyStream } from '../src/streams/reply-stream.ts'

t.test('however many wait for a slow reader, they listen once', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  const [, raw] = (await once(server, 'request')) as [unknown, FastifyReply['raw']]
  const reply = { raw, hijack: () => {}, getHeaders: () => ({}) } as unknown as FastifyReply
  const stream = openReplyStream(reply, manualClock(), JSON_LINES)

  stream.write('x'.repeat(8 * 1024 * 1024))
  const before = raw.listenerCount('close')
  const waiting = Promise.all(Array.from({ length: 50 }, () => stream.ready()))
  t.equal(raw.listenerCount('drain') + raw.listenerCount('close') - before, 2)

  socket.resume()
  await waiting
  t.equal(raw.listenerCount('close'), before, 'nobody listens on after it')
  stream.end()
})
