import {
  gatewayFrameSchema,
  MAX_FRAME_BYTES,
  PROTOCOL_MINOR,
  PROTOCOL_VERSION,
  type GatewayFrame,
} from '@loopgate/contracts'
import t from 'tap'
import { createInbox, refuseVersion } from '../src/index.ts'

const welcome = (minor: number) => ({
  type: 'welcome',
  version: PROTOCOL_VERSION,
  minor,
  gatewayId: 'g',
  peers: [],
  heartbeatMs: 1000,
})

function inbox() {
  const ignored: string[] = []
  const box = createInbox<GatewayFrame>(gatewayFrameSchema, (what) => ignored.push(what))
  return {
    ignored,
    take: (...frames: unknown[]) => box.take(Buffer.from(JSON.stringify(frames)), false),
    part: (...bytes: (string | number)[]) =>
      box.take(
        Buffer.concat(bytes.map((each) => (typeof each === 'string' ? Buffer.from(each) : Buffer.of(each)))),
        true,
      ),
  }
}

t.test('frames and fields of a newer minor version are ignored and counted', async (t) => {
  const { take, ignored } = inbox()
  const said = take(welcome(PROTOCOL_MINOR + 1), { type: 'dance', steps: 3 }, { type: 'ping', colour: 'red' })
  t.match(said, [{ type: 'welcome' }, { type: 'ping' }])
  t.strictSame(ignored, ['frame', 'field'])
})

t.test('an unknown frame of a peer that is not newer breaks the protocol', async (t) => {
  for (const first of [[], [welcome(PROTOCOL_MINOR)]]) {
    const { take, ignored } = inbox()
    t.equal(take(...first, { type: 'dance' }), 'unknown frame dance')
    t.strictSame(ignored, [])
  }
})

t.test('a known frame has to be whole, however new its sender', async (t) => {
  const { take } = inbox()
  take(welcome(PROTOCOL_MINOR + 1))
  t.match(take({ type: 'ack' }), /^bad frame at leaseId/)
})

t.test('what is no message is told in words that fit a close reason', async (t) => {
  const { take, part } = inbox()
  const long = take({ type: '\u0000'.repeat(500) })
  t.ok(typeof long === 'string' && Buffer.byteLength(long) <= 123)
  t.equal(createInbox<GatewayFrame>(gatewayFrameSchema).take(Buffer.from('{'), false), 'expected JSON')
  t.match(createInbox<GatewayFrame>(gatewayFrameSchema).take(Buffer.from('{}'), false), /^bad frame/)
  t.equal(part(7, 'x'), 'expected text or a part of a frame')
})

t.test('parts make one frame, and other messages may come between them', async (t) => {
  const { take, part } = inbox()
  t.strictSame(part(0, '{"type":"ack",'), [])
  t.match(take({ type: 'ping' }), [{ type: 'ping' }])
  t.strictSame(part(1, '"leaseId":"l"}'), [{ type: 'ack', leaseId: 'l' }])
  t.strictSame(part(1, '{"type":"ping"}'), [{ type: 'ping' }], 'and then another')
})

t.test('parts without end are refused at the limit of a frame', async (t) => {
  const { part } = inbox()
  const slice = 'x'.repeat(1_000_000)
  let said: unknown = []
  for (let bytes = 0; bytes <= MAX_FRAME_BYTES && typeof said !== 'string'; bytes += slice.length) said = part(0, slice)
  t.match(said, /^a frame above/)
})

t.test('another major version is refused with the side to upgrade, another minor one is not', async (t) => {
  t.equal(refuseVersion({ version: PROTOCOL_VERSION, minor: 0 }), null)
  t.equal(refuseVersion({ version: PROTOCOL_VERSION, minor: PROTOCOL_MINOR + 7 }), null)
  t.match(refuseVersion({ version: PROTOCOL_VERSION - 1, minor: 0 }), /upgrade the other side$/)
  t.match(refuseVersion({ version: PROTOCOL_VERSION + 1, minor: 0 }), /upgrade this side$/)
})
