import { type RunnerFrame } from '@loopgate/contracts'
import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import { attached } from './support/attached.ts'
import { execute, gatewayStub, welcome } from './support/gateway-stub.ts'
import { heldSandbox, startRunner } from './support/start-runner.ts'

t.test('a retired runner takes nothing new of any gateway, ends what it has, and stays attached', async (t) => {
  const other = await gatewayStub(t)
  const { gateway, link, held } = await attached(t)
  link.send({ type: 'peers', peers: [other.url] }, execute('a', ''))
  const second = await other.connection()
  second.send(welcome({ gatewayId: 'gw-2' }))
  await link.next('accepted')
  link.send({ type: 'retire' })
  await link.next('draining')
  await second.next('draining')
  second.send(execute('b', ''))
  t.match(await second.next('busy'), { leaseId: 'b' })
  held.finish('exec-a')
  await link.next('result')
  link.socket.terminate()
  const back = await gateway.connection()
  back.send(welcome())
  t.ok(await back.next('draining'), 'and says so when it comes back')
})

t.test('what a program puts out is passed on as it comes, if it is wanted', async (t) => {
  const { link, held } = await attached(t)
  link.send(execute('a', '', { output: true }), execute('b', ''))
  await link.next('accepted')
  const euro = Buffer.from('\u20ac')
  held.output('exec-a', 'stdout', euro.subarray(0, 1))
  held.output('exec-a', 'stderr', Buffer.from('oh'))
  t.match(await link.next('output'), { leaseId: 'a', stream: 'stderr', seq: 0, text: 'oh', skippedBytes: 0 })
  held.output('exec-a', 'stdout', euro.subarray(1))
  t.match(await link.next('output'), { stream: 'stdout', seq: 1, text: '\u20ac' }, 'no character is cut in two')
  held.output('exec-a', 'stdout', euro.subarray(0, 2))
  held.finish('exec-a')
  t.match(await link.next('output'), { stream: 'stdout', seq: 2, text: '\ufffd' })
  t.equal(held.output('exec-b', 'stdout', euro), false, 'nobody listens to the other one')
})

t.test('a gateway that does not keep up loses output and is told how much, but never a result', async (t) => {
  const { link, held } = await attached(t)
  link.send(execute('a', '', { output: true }))
  await link.next('accepted')
  // In one turn of the event loop, so that nothing can leave in between.
  for (let count = 0; count < 100; count += 1) held.output('exec-a', 'stdout', Buffer.alloc(10_000, 'x'))
  await link.next('output')
  held.output('exec-a', 'stdout', Buffer.from('last'))
  held.finish('exec-a', 'whole')
  t.match(await link.next('result'), { result: { stdout: 'whole' } })
  const rest = link.waiting('output') as Extract<RunnerFrame, { type: 'output' }>[]
  const last = rest.at(-1)
  t.equal(last?.text, 'last')
  const came = 10_000 + rest.reduce((sum, { text, skippedBytes }) => sum + text.length + skippedBytes, 0)
  t.equal(came, 100 * 10_000 + 4, 'each byte came or is counted as missing')
  t.ok((last?.skippedBytes ?? 0) > 0)
  t.equal(last?.seq, rest.length, 'numbers have no gaps')
})

t.test('a runner tells all its gateways how much it runs, not at every change', async (t) => {
  const clock = manualClock()
  const gateway = await gatewayStub(t)
  const held = heldSandbox()
  startRunner(t, { gatewayUrl: gateway.url, sandbox: held.sandbox, slots: 4, clock })
  const link = await gateway.connection()
  link.send(welcome(), execute('a', ''), execute('b', ''), execute('c', ''))
  for (let count = 0; count < 3; count += 1) await link.next('accepted')
  clock.advance(100)
  t.match(await link.next('load'), { running: 3 })
  held.finish('exec-a')
  await link.next('result')
  clock.advance(100)
  t.match(await link.next('load'), { running: 2 })
  t.strictSame(link.waiting('load'), [])
})
