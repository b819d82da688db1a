import { CLOSE_CODES, MAX_FRAME_BYTES, PROTOCOL_MINOR, PROTOCOL_VERSION, type GatewayFrame } from '@loopgate/contracts'
import t from 'tap'
import { attached } from './support/attached.ts'
import { execute, gatewayStub, welcome } from './support/gateway-stub.ts'
import { heldSandbox, startRunner, TOKEN } from './support/start-runner.ts'

t.test('a runner says who it is with its token, and asks for no compression', async (t) => {
  const { link, hello } = await attached(t)
  t.equal(link.authorization, `Bearer ${TOKEN}`)
  t.equal(link.socket.extensions, '', 'the server would have compressed')
  t.match(hello, {
    version: PROTOCOL_VERSION,
    info: {
      runnerId: 'runner-a',
      tiers: ['process'],
      slots: 2,
      languages: [{ language: 'python' }],
      selfTest: { passed: true },
    },
  })
})

t.test('a runner whose self-test failed attaches with its report, offers no tier and takes nothing', async (t) => {
  const gateway = await gatewayStub(t)
  const checks = [{ name: 'start', passed: false, detail: 'this machine refuses user namespaces' }]
  const held = heldSandbox({ passed: false, checks, languages: [] })
  startRunner(t, { gatewayUrl: gateway.url, sandbox: held.sandbox })
  const link = await gateway.connection()
  t.match((await link.next('hello')).info, { tiers: [], languages: [], selfTest: { passed: false, checks } })
  link.send(welcome(), execute('a', ''))
  t.match(await link.next('busy'), { leaseId: 'a' })
  t.same(held.started, [])
})

t.test('the slots are the runner’s: what is beyond them is busy, whichever gateway asks', async (t) => {
  const second = await gatewayStub(t)
  const { link, held } = await attached(t)
  link.send(execute('a', ''), execute('b', ''), execute('c', ''))
  t.match(await link.next('accepted'), { leaseId: 'a' })
  t.match(await link.next('accepted'), { leaseId: 'b' })
  t.match(await link.next('busy'), { leaseId: 'c' })
  held.finish('exec-a', 'out')
  t.match(await link.next('result'), { leaseId: 'a', result: { stdout: 'out', runnerId: 'runner-a', id: 'exec-a' } })
  link.send(execute('d', ''))
  t.match(await link.next('accepted'), { leaseId: 'd' })
  t.equal(second.waitingConnections(), 0)
})

t.test('a language or tier that was not announced is busy', async (t) => {
  const { link } = await attached(t)
  link.send(execute('js', '', { language: 'javascript' }))
  t.match(await link.next('busy'), { leaseId: 'js' })
})

t.test('peers of the welcome are dialled, and share the slots', async (t) => {
  const other = await gatewayStub(t)
  const gateway = await gatewayStub(t)
  const held = heldSandbox()
  startRunner(t, { gatewayUrl: gateway.url, sandbox: held.sandbox, slots: 1 })
  const first = await gateway.connection()
  first.send(welcome({ peers: [other.url.replace('http', 'ws'), 'no address'] }))
  const second = await other.connection()
  second.send(welcome({ gatewayId: 'gw-2' }))
  second.send(execute('a', ''))
  await second.next('accepted')
  first.send(execute('a', ''))
  t.match(await first.next('busy'), { leaseId: 'a' }, 'the same name of another gateway is another lease')
  held.finish('exec-a')
  t.match(await second.next('result'), { leaseId: 'a' })
  t.same(first.waiting('result'), [], 'a result goes to the gateway that asked')
})

t.test('a result that was not acknowledged comes again after a reconnect, and then no more', async (t) => {
  const { gateway, held, link } = await attached(t)
  link.send(execute('a', ''))
  await link.next('accepted')
  link.socket.terminate()
  held.finish('exec-a', 'kept')
  const second = await gateway.connection()
  second.send(welcome())
  t.match(await second.next('result'), { leaseId: 'a', result: { stdout: 'kept' } })
  second.socket.terminate()
  const third = await gateway.connection()
  third.send(welcome())
  t.match(await third.next('result'), { leaseId: 'a' }, 'still not acknowledged')
  third.send({ type: 'ack', leaseId: 'a' })
  third.send({ type: 'ping' })
  await third.next('pong')
  third.socket.terminate()
  const fourth = await gateway.connection()
  fourth.send(welcome(), { type: 'ping' })
  await fourth.next('pong')
  t.same(fourth.waiting('result'), [])
})

t.test('the same lease sent twice runs once', async (t) => {
  const { gateway, held, link } = await attached(t)
  link.send(execute('a', ''))
  await link.next('accepted')
  link.socket.terminate()
  const second = await gateway.connection()
  second.send(welcome(), execute('a', ''))
  await second.next('accepted')
  held.finish('exec-a')
  await second.next('result')
  second.send(execute('a', ''))
  t.match(await second.next('result'), { leaseId: 'a' }, 'answered from what is kept')
  t.same(held.started, ['exec-a'])
})

t.test('another gateway at the same address gets no result of the old one, whose executions are killed', async (t) => {
  const { gateway, held, link } = await attached(t)
  link.send(execute('a', ''), execute('b', ''))
  await link.next('accepted')
  link.socket.terminate()
  held.finish('exec-a')
  const second = await gateway.connection()
  second.send(welcome({ gatewayId: 'gw-restarted' }), { type: 'ping' })
  await second.next('pong')
  t.same(second.waiting('result'), [])
  t.equal(held.aborted('exec-b'), true)
})

t.test('a gateway that is attached elsewhere keeps its executions when another answers at its address', async (t) => {
  const balancer = await gatewayStub(t)
  const replica = await gatewayStub(t)
  const held = heldSandbox()
  startRunner(t, { gatewayUrl: balancer.url, sandbox: held.sandbox })
  const first = await balancer.connection()
  first.send(welcome({ gatewayId: 'gw-1', peers: [replica.url] }))
  const second = await replica.connection()
  second.send(welcome({ gatewayId: 'gw-1' }), { type: 'ping' })
  await second.next('pong')
  first.send(execute('a', ''))
  await first.next('accepted')
  first.socket.terminate()
  const other = await balancer.connection()
  other.send(welcome({ gatewayId: 'gw-2' }), { type: 'ping' })
  await other.next('pong')
  t.equal(held.aborted('exec-a'), false)
})

t.test('a cancelled execution is killed, its slot is free and the gateway is told', async (t) => {
  const { link, held } = await attached(t, { slots: 1 })
  link.send(execute('a', ''))
  await link.next('accepted')
  link.send({ type: 'cancel', leaseId: 'a' })
  t.match(await link.next('result'), { leaseId: 'a', result: { outcome: 'killed' } })
  t.equal(held.aborted('exec-a'), true)
  link.send(execute('b', ''))
  t.match(await link.next('accepted'), { leaseId: 'b' })
})

t.test('an execution whose lease lapses is killed', async (t) => {
  const { link, held } = await attached(t)
  link.send(execute('a', '', { deadlineMs: 20 }))
  t.match(await link.next('result'), { leaseId: 'a', result: { outcome: 'killed', message: /lapsed/ } })
  t.equal(held.aborted('exec-a'), true)
})

t.test('a draining runner refuses what is new, delivers what runs and closes', async (t) => {
  const { link, held, runner } = await attached(t)
  link.send(execute('a', ''))
  await link.next('accepted')
  const drained = runner.drain()
  await link.next('draining')
  link.send(execute('b', ''))
  t.match(await link.next('busy'), { leaseId: 'b' })
  held.finish('exec-a', 'last')
  t.match(await link.next('result'), { leaseId: 'a', result: { stdout: 'last' } })
  link.send({ type: 'ack', leaseId: 'a' })
  await drained
  t.equal(await link.closed, CLOSE_CODES.draining)
})

t.test('a gateway that drains keeps its socket until it closes it', async (t) => {
  const { link, held } = await attached(t)
  link.send(execute('a', ''))
  await link.next('accepted')
  link.send({ type: 'drain' })
  held.finish('exec-a')
  t.match(await link.next('result'), { leaseId: 'a' })
})

t.test('a message that breaks the protocol closes the socket with 4400, and the runner comes back', async (t) => {
  const bad = ['{', '{}', '[{"type":"nothing"}]', '[{"type":"execute","leaseId":"a"}]', JSON.stringify([welcome()])]
  const { gateway, link } = await attached(t)
  let current = link
  for (const text of bad) {
    current.sendText(text)
    t.equal(await current.closed, CLOSE_CODES.protocolError, text.slice(0, 30))
    current = await gateway.connection()
    current.send(welcome())
    current.send({ type: 'ping' })
    await current.next('pong')
  }
})

t.test('work before the welcome, and a version that is not spoken, are breaches too', async (t) => {
  const gateway = await gatewayStub(t)
  startRunner(t, { gatewayUrl: gateway.url, sandbox: heldSandbox().sandbox })
  const first = await gateway.connection()
  first.send(execute('a', ''))
  t.equal(await first.closed, CLOSE_CODES.protocolError)
  const second = await gateway.connection()
  second.send(welcome({ version: PROTOCOL_VERSION + 1 }))
  t.equal(await second.closed, CLOSE_CODES.protocolError)
})

t.test('a gateway that falls silent is given up and dialled again', async (t) => {
  const { gateway, link } = await attached(t, { heartbeatMs: 20 })
  t.equal(await link.closed, 1006, 'cut, not closed: nobody would answer')
  const again = await gateway.connection()
  t.match(await again.next('hello'), { type: 'hello' })
})

t.test('frames of one turn travel as one message', async (t) => {
  const { link } = await attached(t, { slots: 8 })
  const leases = ['a', 'b', 'c', 'd', 'e']
  link.send(...leases.map((leaseId) => execute(leaseId, '')))
  for (const leaseId of leases) t.match(await link.next('accepted'), { leaseId })
  t.same(link.batches, [1, 5])
})

t.test(
  'a result above the limit of a message arrives whole; one above that of a frame is cut and says so',
  async (t) => {
    const { link, held } = await attached(t)
    link.send(execute('a', ''), execute('b', ''))
    await link.next('accepted')
    held.finish('exec-a', '\0'.repeat(2 * 1024 * 1024))
    t.equal((await link.next('result')).result.stdout.length, 2 * 1024 * 1024)
    held.finish('exec-b', '\0'.repeat(4 * 1024 * 1024))
    const { result } = await link.next('result')
    t.equal(result.truncated.stdout, true)
    t.ok(Buffer.byteLength(JSON.stringify(result)) < MAX_FRAME_BYTES)
  },
)

t.test('a request with something in it that this runner does not know is refused, and the link stays', async (t) => {
  const { link } = await attached(t)
  const frame = execute('a', '') as GatewayFrame & { type: 'execute' }
  link.send({ ...frame, request: { ...(frame.request as object), gpuBytes: 1 } })
  t.match(await link.next('refused'), { leaseId: 'a', reason: /gpuBytes/ })
  link.send(execute('b', ''))
  t.match(await link.next('accepted'), { leaseId: 'b' })
})

t.test('a gateway of a newer minor version is understood as far as it can be', async (t) => {
  const gateway = await gatewayStub(t)
  startRunner(t, { gatewayUrl: gateway.url, sandbox: heldSandbox().sandbox })
  const link = await gateway.connection()
  link.sendText(JSON.stringify([{ ...welcome({ minor: PROTOCOL_MINOR + 1 }), motto: 'x' }, { type: 'sing' }]))
  link.send(execute('a', ''))
  t.match(await link.next('accepted'), { leaseId: 'a' })
})

t.test('a runner keeps trying a gateway that is not there', async (t) => {
  const gateway = await gatewayStub(t, { path: '/elsewhere' })
  startRunner(t, { gatewayUrl: gateway.url, sandbox: heldSandbox().sandbox })
  // The stub answers 400 to every other path: the upgrade is refused until the gateway is replaced.
  await gateway.close()
  const back = await gatewayStub(t, { port: gateway.port })
  const link = await back.connection()
  t.match(await link.next('hello'), { type: 'hello' })
})

t.test('replaced on one address because it is attached on another, a runner does not fight itself', async (t) => {
  const balancer = await gatewayStub(t)
  const replica = await gatewayStub(t)
  startRunner(t, { gatewayUrl: balancer.url, sandbox: heldSandbox().sandbox })
  const first = await balancer.connection()
  first.send(welcome({ gatewayId: 'same', peers: [replica.url] }))
  const second = await replica.connection()
  second.send(welcome({ gatewayId: 'same' }), { type: 'ping' })
  await second.next('pong')
  first.socket.close(CLOSE_CODES.replaced, 'replaced')
  await first.closed
  second.send({ type: 'ping' })
  await second.next('pong')
  t.equal(balancer.waitingConnections(), 0, 'it stands back')
  second.socket.terminate()
  const again = await balancer.connection()
  t.match(await again.next('hello'), { type: 'hello' }, 'and comes again when the other is lost')
})
