import { gatewayFrameSchema, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, type GatewayFrame } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import { BACKLOG_BYTES_MAX, createInbox, createOutbox } from '../src/index.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const ack = (text: string): GatewayFrame => ({ type: 'ack', leaseId: text })
const large = (length: number, letter = 'x'): GatewayFrame => ({
  type: 'peers',
  peers: [letter.repeat(length / Buffer.byteLength(letter))],
})

/** A socket in the test's hands: it takes what is sent, and says that it left when the test wants. */
function sink() {
  const sent: (string | Buffer)[] = []
  const leave: (() => void)[] = []
  return {
    sent,
    bufferedAmount: 0,
    send(message: string | Buffer, gone: () => void) {
      sent.push(message)
      this.bufferedAmount += Buffer.byteLength(message)
      leave.push(() => {
        this.bufferedAmount -= Buffer.byteLength(message)
        gone()
      })
    },
    /** Lets everything in the socket go. */
    drain: () => leave.splice(0).forEach((each) => each()),
  }
}

/** What a peer makes of the messages. */
function heard(messages: readonly (string | Buffer)[]): GatewayFrame[] {
  const inbox = createInbox<GatewayFrame>(gatewayFrameSchema)
  return messages.flatMap((message) => {
    const frames = inbox.take(Buffer.from(message), typeof message !== 'string')
    if (typeof frames === 'string') throw new Error(frames)
    return frames
  })
}

t.test('the frames of one turn leave in one message, those of the next in another', async (t) => {
  const socket = sink()
  const outbox = createOutbox<GatewayFrame>(socket, 1e9, () => {})
  outbox.push(ack('a'))
  outbox.push(ack('b'))
  t.strictSame(socket.sent, [])
  await turn()
  outbox.push({ type: 'ping' })
  await turn()
  t.strictSame(
    socket.sent.map((message) => JSON.parse(String(message))),
    [[ack('a'), ack('b')], [{ type: 'ping' }]],
  )
})

t.test('no frame is lost, doubled or moved, and no message is above the limit, however large the frames', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 900_000, max: 5_000_000 })), {
    minLength: 1,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(sizes, fc.constantFrom('x', '\u00e9', '\u2028', '\u{1f600}'), async (lengths, letter) => {
      const socket = sink()
      const outbox = createOutbox<GatewayFrame>(socket, 1e9, () => {})
      const frames = lengths.map((length) => large(length, letter))
      for (const frame of frames) outbox.push(frame)
      for (let turns = 0; outbox.bytes() > 0 && turns < 100; turns += 1) {
        await turn()
        socket.drain()
      }
      if (socket.sent.some((message) => Buffer.byteLength(message) > MAX_MESSAGE_BYTES)) return false
      return JSON.stringify(heard(socket.sent)) === JSON.stringify(frames) && outbox.bytes() === 0
    }),
    { numRuns: 15 },
  )
})

t.test('a socket that does not drain gets no more than its high-water mark and one message', async (t) => {
  const socket = sink()
  const outbox = createOutbox<GatewayFrame>(socket, 1e9, () => {})
  for (let count = 0; count < 20; count += 1) outbox.push(large(700_000))
  await turn()
  t.ok(socket.bufferedAmount <= 2 * MAX_MESSAGE_BYTES, `${socket.bufferedAmount} bytes`)
  t.ok(outbox.bytes() > 20 * 700_000, 'what waits here and in the socket counts together')
  socket.drain()
  await turn()
  t.equal(socket.sent.length, 4, 'and the next ones once they have left')
  outbox.flush()
  t.equal(socket.sent.length, 20, 'all of it before the socket is closed')
})

t.test('a peer that reads nothing is given up once, and nothing more is kept for it', async (t) => {
  const socket = sink()
  let full = 0
  const outbox = createOutbox<GatewayFrame>(socket, 3_000_000, () => (full += 1))
  for (let count = 0; count < 10; count += 1) outbox.push(large(700_000))
  await turn()
  t.equal(full, 1)
  t.equal(outbox.bytes(), 0)
})

t.test('what may be lost is refused when too much of its owner waits, and what is pushed never is', async (t) => {
  const socket = sink()
  const outbox = createOutbox<GatewayFrame>(socket, 1e9, () => {})
  const piece = large(BACKLOG_BYTES_MAX / 2 - 1_000)
  t.strictSame(
    [outbox.offer('a', piece), outbox.offer('a', piece), outbox.offer('a', piece), outbox.offer('b', piece)],
    [true, true, false, true],
  )
  outbox.push(ack('a'))
  await turn()
  t.equal(heard(socket.sent).length, 4)
  t.equal(outbox.offer('a', piece), true, 'there is room again')
})

t.test('a frame above the limit of the protocol is an error of whoever made it', async (t) => {
  const outbox = createOutbox<GatewayFrame>(sink(), 1e9, () => {})
  t.throws(() => outbox.push(large(MAX_FRAME_BYTES)), /above the limit/)
})
