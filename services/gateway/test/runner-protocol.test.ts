import { once } from 'node:events'
import { MAX_MESSAGE_BYTES, runnerListSchema } from '@loopgate/contracts'
import { OWN_VERSION } from '@loopgate/runner-wire'
import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'
import { WebSocket } from 'ws'
import { send, series, until } from './kit/http.ts'
import { attach, dial, runnerInfo } from './kit/runner.ts'

/** Shorter, a busy machine that reads the most deeply nested of all messages would make the others seem gone. */
const HEARTBEAT_MS = 250
const gw = await gateway(t, { redis: null }, { heartbeatMs: HEARTBEAT_MS, helloMs: 500 })
const CONNECT = `${gw.url.replace('http', 'ws')}/api/runners/connect`

const hello = { type: 'hello', ...OWN_VERSION, info: runnerInfo({ runnerId: 'rude' }) }
const runners = async () =>
  runnerListSchema.parse((await send(`${gw.url}/api/runners`, { key: gw.adminKey })).json).runners
const gone = (id: string): Promise<true> =>
  until(async () => ((await runners()).some(({ runnerId }) => runnerId === id) ? undefined : true))

/** Status of a refused upgrade. */
async function refusal(headers: Record<string, string>): Promise<number | undefined> {
  const socket = new WebSocket(CONNECT, { headers })
  socket.on('error', () => {})
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode?: number }]
  socket.terminate()
  return response.statusCode
}

t.test('the door opens to the runner token alone, and never to a browser', async (t) => {
  t.equal(await refusal({}), 401)
  t.equal(await refusal({ authorization: 'Bearer wrong' }), 401)
  t.equal(await refusal({ authorization: `Bearer ${gw.apiKey}` }), 403)
  t.equal(await refusal({ authorization: `Bearer ${gw.runnerToken}`, origin: 'https://evil.example' }), 403)
  t.equal(await refusal({ authorization: `Bearer ${gw.runnerToken}`, origin: '' }), 403, 'not even an empty origin')
})

t.test('a gateway without a runner token attaches no runner, whatever it presents', async (t) => {
  const closed = await gateway(t, { redis: null, env: { LOOPGATE_RUNNER_TOKEN: '' } })
  for (const token of ['', 'undefined', 'null', '[redacted]']) {
    const reply = await send(`${closed.url}/api/runners/connect`, { headers: { authorization: `Bearer ${token}` } })
    t.equal(reply.status, 401)
  }
})

t.test('a runner that greets is welcomed, listed with what it announced, and gone when its socket is', async (t) => {
  const runner = await dial(t, gw)
  t.strictSame(await runners(), [], 'a socket without a greeting is no runner')
  runner.say({ type: 'hello', ...OWN_VERSION, info: runnerInfo({ runnerId: 'listed', slots: 7 }) })
  const welcome = await runner.hear('welcome')
  t.match(welcome, { ...OWN_VERSION, heartbeatMs: HEARTBEAT_MS, peers: [], gatewayId: /^gateway_/ })
  const [view] = await runners()
  t.match(view, { runnerId: 'listed', slots: 7, busySlots: 0, state: 'ready', tiers: ['process'] })
  runner.crash()
  await gone('listed')
})

t.test('a message sent with the upgrade itself is not lost', async (t) => {
  const socket = new WebSocket(CONNECT, { headers: { authorization: `Bearer ${gw.runnerToken}` } })
  t.teardown(() => socket.terminate())
  const hello = JSON.stringify([{ type: 'hello', ...OWN_VERSION, info: runnerInfo({ runnerId: 'eager' }) }])
  // As early as a client can: in the turn in which it learns that the socket is open.
  socket.on('open', () => socket.send(hello))
  const [data] = (await once(socket, 'message')) as [Buffer]
  t.match(JSON.parse(String(data)), [{ type: 'welcome' }])
})

t.test('a socket that does not greet in time is closed with 4400', async (t) => {
  const silent = await dial(t, gw)
  t.match(await silent.closed, { code: 4400, reason: 'no hello in time' })
})

t.test('a runner that says nothing any more is closed with 4408; one that answers pings stays', async (t) => {
  const mute = await attach(t, gw, { runnerId: 'mute' })
  const alive = await attach(t, gw, { runnerId: 'alive' })
  alive.socket.on('message', (data: Buffer) => {
    if (String(data).includes('"ping"')) alive.say({ type: 'pong' })
  })
  t.match(await mute.closed, { code: 4408 })
  for (let pings = 0; pings < 5; pings += 1) await alive.hear('ping')
  t.strictSame(
    (await runners()).map(({ runnerId }) => runnerId),
    ['alive'],
  )
})

t.test('a second socket of the same runner takes the place of the first, which is closed with 4409', async (t) => {
  const first = await attach(t, gw, { runnerId: 'twin', slots: 1 })
  const second = await attach(t, gw, { runnerId: 'twin', slots: 2 })
  t.match(await first.closed, { code: 4409 })
  const twins = (await runners()).filter(({ runnerId }) => runnerId === 'twin')
  t.match(twins, [{ slots: 2 }])
  t.equal(second.socket.readyState, WebSocket.OPEN)
})

t.test(
  'a runner of another major version is told which side to upgrade; the older gateway is told the same',
  async (t) => {
    const old = await dial(t, gw)
    old.socket.send(JSON.stringify([{ type: 'hello', version: 1, info: runnerInfo({ runnerId: 'old' }) }]))
    t.match(await old.closed, { code: 4400, reason: /^protocol 1\.0 meets .*: upgrade the other side$/ })
  },
)

t.test('a runner of a newer minor version works, and what only it can mean is passed over and counted', async (t) => {
  const runner = await dial(t, gw)
  const info = runnerInfo({ runnerId: 'newer' })
  const newer = {
    ...hello,
    minor: OWN_VERSION.minor + 1,
    mood: 'bright',
    info: { ...info, tiers: ['microvm', 'process'], languages: [...info.languages, { language: 'Not A Name' }] },
  }
  runner.socket.send(JSON.stringify([newer, { type: 'sing' }]))
  await runner.hear('welcome')
  const view = (await runners()).find(({ runnerId }) => runnerId === 'newer')
  t.match(view, { tiers: ['process'], languages: info.languages, protocol: `2.${OWN_VERSION.minor + 1}` })
  const text = (await send(`${gw.url}/metrics`)).text
  t.equal(series(text, 'loopgate_runner_frames_ignored_total{what="frame"}'), 1)
  t.equal(series(text, 'loopgate_runner_frames_ignored_total{what="field"}'), 1)
  runner.crash()
  await gone('newer')
})

t.test('an operator drains a runner by its name, which is told to take nothing of any replica', async (t) => {
  const runner = await attach(t, gw, { runnerId: 'tired' })
  const drain = (id: string, key = gw.adminKey) => send(`${gw.url}/api/runners/${id}/drain`, { method: 'POST', key })
  t.equal((await drain('tired', gw.apiKey)).status, 403)
  t.equal((await drain('nobody')).status, 404)
  t.match(await drain('tired'), { status: 200, json: { runnerId: 'tired', state: 'draining' } })
  await runner.hear('retire')
})

t.test('a draining runner is shown as such', async (t) => {
  const runner = await attach(t, gw, { runnerId: 'leaving' })
  runner.say({ type: 'draining' })
  await until(async () => (await runners()).find((view) => view.runnerId === 'leaving' && view.state === 'draining'))
})

const GARBAGE: Record<string, string | Buffer> = {
  'no JSON': 'hello',
  'not an array': JSON.stringify(hello),
  'an unknown frame': '[{"type":"exec","cmd":"id"}]',
  'a frame without its fields': '[{"type":"result","leaseId":"l"}]',
  'a number': '7',
  null: 'null',
  'nested deep': '['.repeat(100_000) + ']'.repeat(100_000),
  'binary data': Buffer.from([9, 1, 2, 3]),
  'five thousand frames': JSON.stringify(Array.from({ length: 5000 }, () => ({ type: 'pong' }))),
  'zero slots': JSON.stringify([{ ...hello, info: { ...hello.info, slots: 0 } }]),
  'a million slots': JSON.stringify([{ ...hello, info: { ...hello.info, slots: 1e6 } }]),
  'work before the greeting': '[{"type":"accepted","leaseId":"l"}]',
  'an unknown version': JSON.stringify([{ ...hello, version: 99 }]),
  'two greetings': JSON.stringify([hello, hello]),
}
for (const [name, message] of Object.entries(GARBAGE)) {
  t.test(`${name} closes the socket with 4400 and touches no other runner`, async (t) => {
    const bystander = await attach(t, gw, { runnerId: 'bystander' })
    const runner = await dial(t, gw)
    runner.socket.send(message)
    t.match(await runner.closed, { code: 4400 })
    t.equal(bystander.socket.readyState, WebSocket.OPEN)
    await gone('rude')
  })
}

t.test('garbage after the greeting closes the socket too, and the runner is gone', async (t) => {
  const runner = await attach(t, gw, { runnerId: 'turncoat' })
  runner.socket.send('[{"type":"result"}]')
  t.match(await runner.closed, { code: 4400 })
  await gone('turncoat')
})

t.test('a message above the limit closes the socket with 1009', async (t) => {
  const runner = await attach(t, gw, { runnerId: 'large' })
  runner.socket.send(Buffer.alloc(MAX_MESSAGE_BYTES + 1, ' ').toString())
  t.equal((await runner.closed).code, 1009)
  await gone('large')
})

t.test('frames about leases that do not exist are ignored, and their results acked', async (t) => {
  const runner = await attach(t, gw, { runnerId: 'confused' })
  const { resultOf } = await import('./kit/runner.ts')
  runner.say(
    { type: 'accepted', leaseId: 'none' },
    { type: 'busy', leaseId: 'none' },
    { type: 'result', leaseId: 'none', result: resultOf() },
  )
  t.match(await runner.hear('ack'), { leaseId: 'none' })
  t.equal(runner.socket.readyState, WebSocket.OPEN)
})

t.test('a closing gateway says so and closes with 4503', async (t) => {
  const other = await gateway(t, { redis: null })
  const runner = await attach(t, other)
  await other.app.close()
  await runner.hear('drain')
  t.match(await runner.closed, { code: 4503 })
})
