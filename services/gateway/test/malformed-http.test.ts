import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'
import { raw, send } from './kit/http.ts'

const gw = await gateway(t, { redis: null })

const post = (headers: string, body: string): string =>
  `POST /api/executions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gw.apiKey}\r\ncontent-type: application/json\r\n${headers}\r\n${body}`

/** Requests on which a proxy and we might disagree where they end, and requests that are none. */
const CORPUS: Record<string, string | Buffer> = {
  'both content-length and transfer-encoding': post('content-length: 4\r\ntransfer-encoding: chunked\r\n', '0\r\n\r\n'),
  'two different content-lengths': post('content-length: 2\r\ncontent-length: 3\r\n', '{}x'),
  'a content-length list': post('content-length: 2, 2\r\n', '{}'),
  'a signed content-length': post('content-length: +2\r\n', '{}'),
  'a hexadecimal content-length': post('content-length: 0x2\r\n', '{}'),
  'a chunk size that is no number': post('transfer-encoding: chunked\r\n', 'zz\r\n{}\r\n0\r\n\r\n'),
  'a chunk longer than it says': post('transfer-encoding: chunked\r\n', '1\r\n{}\r\n0\r\n\r\n'),
  'transfer-encoding chunked twice over': post('transfer-encoding: chunked, identity\r\n', '2\r\n{}\r\n0\r\n\r\n'),
  'a folded header': 'GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n folded\r\n\r\n',
  'a space before the colon': 'GET /healthz HTTP/1.1\r\nhost : x\r\n\r\n',
  'a bare carriage return in a header': 'GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: 1\rx-b: 2\r\n\r\n',
  'a NUL in a header': 'GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: \0\r\n\r\n',
  'a header without a name': 'GET /healthz HTTP/1.1\r\nhost: x\r\n: 1\r\n\r\n',
  'no host': 'GET /healthz HTTP/1.1\r\n\r\n',
  'a space in the path': 'GET /heal thz HTTP/1.1\r\nhost: x\r\n\r\n',
  'an unknown version': 'GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n',
  'an unknown method': 'BREW /healthz HTTP/1.1\r\nhost: x\r\n\r\n',
  'no request at all': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'headers above the limit': `GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(40_000)}\r\n\r\n`,
}

for (const [name, bytes] of Object.entries(CORPUS)) {
  t.test(`${name}: one error, then the connection is closed`, async (t) => {
    // What follows on the connection must not be answered: it could be the smuggled one.
    const answer = await raw(
      gw.url,
      Buffer.concat([Buffer.from(bytes), Buffer.from('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n')]),
    )
    t.match(answer, /^HTTP\/1\.1 (400|431|505|415) /)
    t.notMatch(answer, /"ready"/)
    t.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
  })
}

t.test('a path that is not valid percent-encoding is a 400', async (t) => {
  const reply = await send(`${gw.url}/api/%zz`)
  t.equal(reply.status, 400)
  t.match(reply.json, { code: 'LG_BAD_REQUEST' })
})

t.test('an absolute target is answered as the path in it, and nothing is proxied', async (t) => {
  const answer = await raw(
    gw.url,
    'GET http://169.254.169.254/healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 200 /)
  t.match(answer, /"status":"ok"/)
})

t.test('an offer to speak HTTP/2 does not swallow the body of the request', async (t) => {
  const answer = await raw(
    gw.url,
    post(
      'connection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\ncontent-length: 2\r\n',
      '{}',
    ),
  )
  t.match(answer, /^HTTP\/1\.1 400 /)
  t.match(answer, /language: /, 'the body was read and checked')
})

t.test('a websocket upgrade anywhere but at the door for runners is an ordinary request', async (t) => {
  const answer = await raw(
    gw.url,
    'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 200 /)
})

t.test('after all of this the gateway serves', async (t) => {
  t.equal((await send(`${gw.url}/healthz`)).status, 200)
})
