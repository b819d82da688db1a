import { once } from 'node:events'
import { connect } from 'node:net'
import { gateway } from '@loopgate/testkit/gateway'
import { systemClock } from '@loopgate/service-kit'
import t from 'tap'
import { raw, send } from './kit/http.ts'

const gw = await gateway(t, { redis: null })
const EXECUTIONS = `${gw.url}/api/executions`

t.test(
  'a request without a key, with a wrong one and with a malformed header are told apart from a good one',
  async (t) => {
    for (const headers of [
      {},
      { authorization: 'Bearer' },
      { authorization: `Basic ${gw.apiKey}` },
      { 'x-api-key': '' },
    ]) {
      const reply = await send(EXECUTIONS, { body: {}, headers })
      t.equal(reply.status, 401, JSON.stringify(headers))
      t.equal(reply.json['code'], 'LG_NO_KEY')
      t.equal(reply.headers.get('www-authenticate'), 'Bearer')
    }
    for (const key of ['nonsense', `${gw.apiKey}x`, gw.apiKey.slice(1), gw.apiKey.toUpperCase()]) {
      const reply = await send(EXECUTIONS, { body: {}, key })
      t.equal(reply.status, 401)
      t.equal(reply.json['code'], 'LG_WRONG_KEY')
      t.notMatch(reply.text, key)
    }
  },
)

t.test('a key counts in either header, and authorization wins over x-api-key', async (t) => {
  const good: Record<string, string>[] = [
    { authorization: `Bearer ${gw.apiKey}` },
    { authorization: `bearer  ${gw.apiKey}` },
    { 'x-api-key': gw.apiKey },
    { authorization: `Bearer ${gw.apiKey}`, 'x-api-key': 'wrong' },
  ]
  for (const headers of good)
    t.equal((await send(EXECUTIONS, { body: {}, headers })).status, 400, 'the body is looked at')
  const bad = { authorization: 'Bearer wrong', 'x-api-key': gw.apiKey }
  t.equal((await send(EXECUTIONS, { body: {}, headers: bad })).status, 401)
})

t.test('a key without the scope is refused and the scope is named; admin may do everything', async (t) => {
  const refused = await send(`${gw.url}/api/runners`, { key: gw.apiKey })
  t.equal(refused.status, 403)
  t.match(refused.json['detail'], /admin/)
  t.equal((await send(`${gw.url}/api/runners`, { key: gw.adminKey })).status, 200)
  t.equal((await send(EXECUTIONS, { body: {}, key: gw.adminKey })).status, 400)
  t.equal((await send(EXECUTIONS, { body: {}, key: gw.runnerToken })).status, 403, 'a runner token runs nothing')
  t.equal(
    (await send(`${gw.url}/api/runners/connect`, { key: gw.apiKey })).status,
    403,
    'an API key attaches no runner',
  )
})

t.test('health, readiness, metrics and the document answer without a key', async (t) => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
    t.equal((await send(gw.url + path)).status, 200, path)
  }
})

t.test('every reply to a caller with or without a good key forbids shared caches', async (t) => {
  for (const key of [undefined, 'wrong', gw.apiKey]) {
    const reply = await send(EXECUTIONS, { body: {}, ...(key !== undefined && { key }) })
    t.equal(reply.headers.get('cache-control'), 'private, no-store')
  }
})

t.test('a stranger gets the 401 before sending the body, and a huge body is cut off instead of read', async (t) => {
  const { port } = new URL(gw.url)
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  const head =
    'POST /api/executions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n'
  socket.write(head)
  const [first] = (await once(socket, 'data')) as [Buffer]
  t.match(String(first), /^HTTP\/1\.1 401 /, 'answered although not one byte of the body was sent')

  // Now send the body after all: the gateway must stop taking it long before its end.
  const piece = Buffer.alloc(64 * 1024, 'a')
  let sent = 0
  const closed = new Promise((resolve) => socket.on('close', resolve))
  const pour = (): void => {
    while (!socket.destroyed && sent < 500_000_000) {
      sent += piece.length
      if (!socket.write(piece)) return
    }
    if (sent >= 500_000_000) socket.destroy()
  }
  socket.on('drain', pour)
  pour()
  await closed
  t.ok(sent < 100_000_000, `the connection ended after ${sent} bytes`)
})

t.test('a stranger who asks first is not told to continue, a known caller is', async (t) => {
  const head = (key: string): string =>
    `POST /api/executions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n`
  const stranger = await raw(gw.url, head('wrong'), '{}')
  t.match(stranger, /^HTTP\/1\.1 401 /)
  const known = await raw(gw.url, head(gw.apiKey), '{}')
  t.match(known, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /)
})

t.test('a route without a scope and not declared open does not start', async (t) => {
  const { default: fastify } = await import('fastify')
  const { auth } = await import('../src/plugins/auth.ts')
  const app = fastify()
  const nobody = { authenticate: () => null, version: () => 0 }
  await app.register(auth, { authenticator: nobody, onBehalf: () => Promise.reject(new Error()), clock: systemClock })
  t.throws(() => app.get('/forgotten', () => 'secret'), /needs config\.scope or config\.open/)
})
