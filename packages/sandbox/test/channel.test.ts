import { Duplex } from 'node:stream'
import { array, assert as fcAssert, asyncProperty, constantFrom, integer, tuple, uint8Array } from 'fast-check'
import t from 'tap'
import { createChannel, MAX_FRAME_BYTES, type Frame } from '../src/jail/channel.ts'

/** A socket whose incoming side the test feeds and whose outgoing bytes it collects. */
function wire(): { socket: Duplex; sent: Buffer[] } {
  const sent: Buffer[] = []
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      done()
    },
  })
  return { socket, sent }
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

t.test('frames arrive whole and in order however the bytes are split', async (t) => {
  await fcAssert(
    asyncProperty(
      array(tuple(constantFrom('A', 'Q', 'S'), uint8Array({ maxLength: 40 })), {
        minLength: 1,
        maxLength: 6,
      }),
      array(integer({ min: 1, max: 20 }), { minLength: 1 }),
      async (frames, sizes) => {
        const out = wire()
        const sender = createChannel(out.socket, { onFrame: () => {}, onFault: () => {} })
        for (const [kind, payload] of frames) sender.send(kind, Buffer.from(payload))
        await turn()
        const bytes = Buffer.concat(out.sent)
        const received: Frame[] = []
        const { socket } = wire()
        createChannel(socket, {
          onFrame: ({ kind, payload }) => received.push({ kind, payload: Buffer.from(payload) }),
          onFault: (reason) => t.fail(reason),
        })
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          socket.emit('data', bytes.subarray(at, at + size))
          at += size
        }
        t.same(
          received.map(({ kind, payload }) => [kind, [...payload]]),
          frames.map(([kind, payload]) => [kind, [...payload]]),
        )
      },
    ),
    { numRuns: 50 },
  )
})

t.test('what is sent in one turn leaves in one write, what comes later in another', async (t) => {
  const sent: number[] = []
  const socket = new Duplex({
    read() {},
    write: () => t.fail('a write of its own'),
    writev(chunks, done) {
      sent.push(chunks.length)
      done()
    },
  })
  const { send } = createChannel(socket, { onFrame: () => {}, onFault: () => {} })
  send('I', '{}')
  send('F', 'first')
  send('F', 'second')
  t.same(sent, [], 'nothing before the turn is over')
  await turn()
  send('Q', 'later')
  send('Q', 'too')
  await turn()
  t.same(sent, [3, 2])
})

t.test('a frame that is too large is refused by its header and nothing after it is read', (t) => {
  const { socket } = wire()
  const faults: string[] = []
  createChannel(socket, { onFrame: () => t.fail('no frame'), onFault: (reason) => faults.push(reason) })
  const header = Buffer.alloc(5)
  header.writeUInt32BE(MAX_FRAME_BYTES + 1, 1)
  socket.emit('data', header)
  socket.emit('data', Buffer.from([65, 0, 0, 0, 0]))
  t.equal(faults.length, 1)
  t.end()
})
