import { MAX_MESSAGE_BYTES, type GatewayFrame } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import { createOutbox } from '../src/runners/outbox.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const ack = (text: string): GatewayFrame => ({ type: 'ack', leaseId: text })

t.test('the frames of one turn leave in one message, those of the next in another', async (t) => {
  const sent: string[] = []
  const outbox = createOutbox({ bufferedAmount: 0, send: (message) => sent.push(message) })
  outbox.push(ack('a'))
  outbox.push(ack('b'))
  t.strictSame(sent, [])
  await turn()
  outbox.push({ type: 'ping' })
  await turn()
  t.strictSame(
    sent.map((message) => JSON.parse(message)),
    [[ack('a'), ack('b')], [{ type: 'ping' }]],
  )
})

t.test('no frame is lost, doubled or moved, and no message is above the limit, however large the frames', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(50), fc.integer({ min: 1_000_000, max: 5_000_000 })), {
    minLength: 1,
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(sizes, fc.constantFrom('x', '\u00e9', '\u2028'), async (lengths, letter) => {
      const sent: string[] = []
      const outbox = createOutbox({ bufferedAmount: 0, send: (message) => sent.push(message) })
      const frames = lengths.map((length, index) =>
        ack(`${index}:${letter.repeat(length / Buffer.byteLength(letter))}`),
      )
      for (const frame of frames) outbox.push(frame)
      await turn()
      if (sent.some((message) => Buffer.byteLength(message) > MAX_MESSAGE_BYTES)) return false
      const arrived = sent.flatMap((message) => JSON.parse(message) as GatewayFrame[])
      return JSON.stringify(arrived) === JSON.stringify(frames) && outbox.bytes() === 0
    }),
    { numRuns: 15 },
  )
})

t.test('what waits here and in the socket counts together', async (t) => {
  const sink = { bufferedAmount: 1000, send() {} }
  const outbox = createOutbox(sink)
  t.equal(outbox.bytes(), 1000)
  outbox.push({ type: 'ping' })
  t.equal(outbox.bytes(), 1000 + JSON.stringify({ type: 'ping' }).length)
  await turn()
  t.equal(outbox.bytes(), 1000)
})
