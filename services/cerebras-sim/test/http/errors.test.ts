import { gzipSync } from 'node:zlib'
import t from 'tap'
import { ask, KEY, kit } from '../kit.ts'

const flat = (message: string, type: string, param: string, code: string) =>
  JSON.stringify({ message, type, param, code })
const badFormat = (message: string, param = 'validation_error') =>
  flat(message, 'invalid_request_error', param, 'wrong_api_format')

t.test('without a key the answer is FastAPI’s 403, with a wrong one a flat 401', async (t) => {
  const { app, chat } = kit(t, { keys: ['csk-right', 'csk-other'] })
  const post = (authorization?: string) =>
    app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
      payload: JSON.stringify(ask('hi')),
    })
  for (const header of [undefined, '', 'Bearer', 'Bearer ']) {
    const reply = await post(header)
    t.equal(reply.statusCode, 403, String(header))
    t.equal(reply.body, '{"detail":"Not authenticated"}')
  }
  const basic = await post('Basic csk-right')
  t.equal(basic.statusCode, 403)
  t.equal(basic.body, '{"detail":"Invalid authentication credentials"}')
  const wrong = await post('Bearer csk-wrong')
  t.equal(wrong.statusCode, 401)
  t.equal(wrong.body, flat('Wrong API Key', 'invalid_request_error', 'api_key', 'wrong_api_key'))
  t.equal(wrong.headers['content-type'], 'application/json')
  for (const key of ['csk-right', 'csk-other']) t.equal((await post(`Bearer ${key}`)).statusCode, 200)
  t.equal((await chat(ask('hi'))).statusCode, 401, 'a key of the right form that is not listed')
})

t.test('with no list of keys every key that begins with csk- is taken, and no other', async (t) => {
  const { chat } = kit(t)
  t.equal((await chat(ask('hi'))).statusCode, 200)
  t.equal((await chat(ask('hi'), { authorization: 'Bearer sk-acme' })).statusCode, 401)
})

t.test('a key is judged before the body is read', async (t) => {
  const { chat } = kit(t, { maxBodyBytes: 100 })
  t.equal((await chat('{"a":'.padEnd(1000), { authorization: 'Bearer nope' })).statusCode, 401)
})

t.test('a model that is not served is a flat 404 that names it', async (t) => {
  const { chat } = kit(t)
  const reply = await chat(ask('hi', { model: 'foo' }))
  t.equal(reply.statusCode, 404)
  t.equal(
    reply.body,
    flat('Model foo does not exist or you do not have access to it.', 'not_found_error', 'model', 'model_not_found'),
  )
})

t.test('an unrouted path is 404 with no byte of a body, as plain text', async (t) => {
  const { app } = kit(t)
  for (const [method, url] of [
    ['GET', '/'],
    ['POST', '/v1/embeddings'],
    ['GET', '/v1/chat/completions'],
    ['POST', '/v1/v1/chat/completions'],
  ] as const) {
    const reply = await app.inject({ method, url, headers: { authorization: `Bearer ${KEY}` } })
    t.equal(reply.statusCode, 404, url)
    t.equal(reply.body, '')
    t.equal(reply.headers['content-type'], 'text/plain')
  }
})

t.test('text that is not JSON is a 400 with the reason and its place', async (t) => {
  const { chat } = kit(t)
  const reply = await chat('{"model": "gpt-oss-120b", "messages": [}')
  t.equal(reply.statusCode, 400)
  t.equal(reply.body, badFormat(': Invalid JSON: expected value at line 1 column 40'))
  t.equal((await chat('')).body, badFormat(': Invalid JSON: EOF while parsing a value at line 1 column 0'))
})

t.test('half a surrogate pair and bytes that are no UTF-8 are refused, a whole pair is not', async (t) => {
  const { chat } = kit(t)
  const withContent = (content: string) =>
    `{"model":"gpt-oss-120b","messages":[{"role":"user","content":"${content}"}]}`
  const lone = await chat(withContent('\\udc00'))
  t.equal(lone.statusCode, 400)
  t.match(lone.json().message, /^: Invalid JSON: lone leading surrogate in hex escape at line 1 column \d+$/)
  t.equal((await chat(withContent('\\ud83d!'))).statusCode, 400)
  t.equal((await chat(withContent('\\ud83d\\ude00'))).statusCode, 200)
  t.equal((await chat(withContent('\\\\ud83d'))).statusCode, 200, 'an escaped backslash before the letters')
  const bytes = Buffer.from(withContent('x'))
  bytes[bytes.indexOf('x"')] = 0xff
  t.equal((await chat(bytes)).statusCode, 400)
})

t.test('a prompt longer than the context of the tier is a 400 that says both lengths', async (t) => {
  const { chat } = kit(t, { limits: 'free' })
  // 3.4 characters a token, 7 tokens of frame.
  const reply = await chat(ask('x'.repeat(340_000)))
  t.equal(reply.statusCode, 400)
  t.equal(
    reply.body,
    flat(
      'Please reduce the length of the messages or completion. Current length is 100007 while limit is 65536',
      'invalid_request_error',
      'validation_error',
      'context_length_exceeded',
    ),
  )
  const paid = kit(t)
  t.equal((await paid.chat(ask('x'.repeat(340_000)))).statusCode, 200)
  t.equal((await paid.chat(ask('hi', { max_completion_tokens: 131_072 }))).statusCode, 400)
})

t.test('a body over the cap is 413, sent or unpacked', async (t) => {
  const { chat } = kit(t, { maxBodyBytes: 10_000 })
  const large = JSON.stringify(ask('x'.repeat(20_000)))
  const expected = badFormat('Total request size exceeds maximum')
  const plain = await chat(large)
  t.equal(plain.statusCode, 413)
  t.equal(plain.body, expected)
  const packed = gzipSync(large)
  t.ok(packed.length < 10_000)
  const bomb = await chat(packed, { 'content-encoding': 'gzip' })
  t.equal(bomb.statusCode, 413)
  t.equal(bomb.body, expected)
})

t.test('a gzipped body is understood; a broken one is 400; other encodings and types are 415', async (t) => {
  const { chat } = kit(t)
  const body = JSON.stringify(ask('hi'))
  const packed = await chat(gzipSync(body), { 'content-encoding': 'gzip' })
  t.equal(packed.statusCode, 200)
  t.equal(packed.json().choices[0].message.content, (await chat(body)).json().choices[0].message.content)
  t.equal((await chat(body, { 'content-encoding': 'gzip' })).statusCode, 400)
  t.equal((await chat(body, { 'content-encoding': 'br' })).statusCode, 415)
  const msgpack = await chat(body, { 'content-type': 'application/vnd.msgpack' })
  t.equal(msgpack.statusCode, 415)
  t.equal(msgpack.body, badFormat('Unsupported content type: application/vnd.msgpack'))
})
