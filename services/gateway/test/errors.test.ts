import { problemSchema, type OpenAIErrorBody } from '@loopgate/contracts'
import { ERRORS, fault, type ErrorCode } from '@loopgate/service-kit'
import { gateway } from '@loopgate/testkit/gateway'
import fastify from 'fastify'
import t from 'tap'
import { openaiShape, problemShape } from '../src/errors/bodies.ts'
import { errorShape } from '../src/errors/scope.ts'
import { toFault } from '../src/errors/to-fault.ts'
import { send } from './kit/http.ts'

const gw = await gateway(t, { redis: null })
const EXECUTIONS = `${gw.url}/api/executions`
const codes = Object.keys(ERRORS) as ErrorCode[]

t.test(
  'each code of the table has its status and its body on both surfaces, and no detail of a 5xx leaves',
  async (t) => {
    for (const shape of [problemShape, openaiShape]) {
      const app = fastify()
      t.teardown(() => app.close())
      errorShape(app, shape)
      app.get('/:code', ({ params }) => {
        const { code } = params as { code: ErrorCode }
        throw fault(code, { message: 'told by the thrower', param: 'a.b', cause: new Error('the cause') })
      })
      for (const code of codes) {
        const reply = await app.inject(`/${code}`)
        const { status, message, retryable, type, openaiCode } = ERRORS[code]
        t.equal(reply.statusCode, status, code)
        t.notMatch(reply.body, /the cause/)
        const said = status >= 500 ? message : 'told by the thrower'
        if (shape === problemShape) {
          t.match(reply.headers['content-type'], /^application\/problem\+json/)
          t.match(problemSchema.parse(reply.json()), { status, code, retryable, detail: said, title: message })
        } else {
          const { error, ...top } = reply.json<OpenAIErrorBody>()
          t.strictSame(error, { message: said, type, param: 'a.b', code: openaiCode })
          t.strictSame(top, error, 'the same members at the top level')
        }
        if (status === 429 || status === 503) {
          t.match(reply.headers, { 'retry-after': '1', 'retry-after-ms': '1000' })
        } else t.notOk(reply.headers['retry-after'])
        // What SDKs try again by themselves: 408, 409, 429 and from 500 on.
        const tried = status === 409 || status === 429 || status >= 500
        t.equal(reply.headers['x-should-retry'], tried && !retryable ? 'false' : undefined, code)
      }
    }
  },
)

t.test('retry-after rounds up to whole seconds beside the exact milliseconds', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  errorShape(app, problemShape)
  app.get('/', () => {
    throw fault('LG_RATE_LIMITED', { retryAfterMs: 1234.5 })
  })
  t.match((await app.inject('/')).headers, { 'retry-after': '2', 'retry-after-ms': '1235' })
})

t.test('an error that the table does not know is LG_INTERNAL and keeps its text to itself', async (t) => {
  for (const error of [new Error('password 1234'), new TypeError('password 1234'), 'password 1234', undefined, null]) {
    const shown = toFault(error)
    t.equal(shown.code, 'LG_INTERNAL')
    t.notMatch(JSON.stringify(problemShape.body(shown, 'r')), /1234/)
    t.notMatch(JSON.stringify(openaiShape.body(shown, 'r')), /1234/)
  }
})

t.test('an unknown path is a JSON 404 in the shape of its surface, with and without a key', async (t) => {
  for (const key of [undefined, gw.apiKey, 'wrong']) {
    const own = await send(`${gw.url}/api/nothing`, { ...(key !== undefined && { key }) })
    t.equal(own.status, 404)
    t.match(own.headers.get('content-type'), /problem\+json/)
    for (const path of ['/v1/nothing', '/nothing', '/', '/apiary']) {
      const reply = await send(gw.url + path, { ...(key !== undefined && { key }) })
      t.equal(reply.status, 404, path)
      t.match(reply.json, { error: { message: String, type: 'not_found_error' }, message: String })
    }
  }
})

t.test('a known path with another method is a 405 that names the methods in allow', async (t) => {
  const reply = await send(EXECUTIONS, { key: gw.apiKey })
  t.equal(reply.status, 405)
  t.equal(reply.headers.get('allow'), 'POST')
  t.equal(reply.json['code'], 'LG_METHOD_NOT_ALLOWED')
  t.equal((await send(`${gw.url}/api/loops/loop_1/cancel`, { method: 'DELETE' })).status, 405, 'with a parameter too')
})

t.test('a refused body names each field at fault, in the list and in the message', async (t) => {
  const bad = {
    language: 'COBOL 85',
    files: [{ path: '../etc/passwd', content: 7 }],
    limits: { wallMs: 1 },
    surprise: true,
  }
  const reply = await send(EXECUTIONS, { key: gw.apiKey, body: bad })
  t.equal(reply.status, 400)
  const { errors, detail } = problemSchema.parse(reply.json)
  const paths = ['language', 'files.0.path', 'files.0.content', 'limits.wallMs', 'surprise']
  t.strictSame(new Set(errors?.map(({ path }) => path)), new Set(paths))
  for (const path of paths) t.match(detail, path)
  for (const { expected } of errors ?? []) t.ok(expected.length > 0)
})

t.test('a body of a thousand faults gives a short answer', async (t) => {
  const body = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${index}${'x'.repeat(2000)}`, 1]))
  const reply = await send(EXECUTIONS, { key: gw.apiKey, body })
  t.equal(reply.status, 400)
  t.ok(reply.text.length < 20_000, `${reply.text.length} characters`)
})

t.test('bodies that are no JSON are refused in words that do not repeat them', async (t) => {
  const secret = 'sk-my-secret-in-a-broken-body'
  const bodies: [string | Buffer, RegExp][] = [
    [`{"a": "${secret}`, /not valid JSON/],
    [secret, /not valid JSON/],
    ['', /empty/],
    [`{"__proto__": {"x": "${secret}"}}`, /forbidden property/],
    [`{"constructor": {"prototype": "${secret}"}}`, /forbidden property/],
    [`{"a": {"__proto__": 1}}`, /forbidden property/],
    [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), /UTF-8/],
  ]
  for (const [body, said] of bodies) {
    const response = await fetch(EXECUTIONS, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${gw.apiKey}`, 'content-type': 'application/json' },
    })
    const text = await response.text()
    t.equal(response.status, 400, text)
    t.match(text, said)
    t.match(JSON.parse(text), { code: 'LG_BAD_JSON' })
    t.notMatch(text, secret)
  }
})

t.test('a body of another type or compressed is a 415, and one above the limit a 413', async (t) => {
  const post = (headers: Record<string, string>, body: string): Promise<Response> =>
    fetch(EXECUTIONS, { method: 'POST', body, headers: { authorization: `Bearer ${gw.apiKey}`, ...headers } })
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/xml',
    '',
  ]) {
    const response = await post({ 'content-type': type }, '{}')
    t.equal(response.status, 415, type)
    t.match(await response.json(), { code: 'LG_MEDIA_TYPE' })
  }
  const gzip = await post({ 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{}')
  t.equal(gzip.status, 415)
  await gzip.text()
  const charset = await post({ 'content-type': 'application/json; charset=utf-8' }, '{}')
  t.match(await charset.json(), { code: 'LG_BAD_REQUEST' }, 'a charset is fine')

  const large = await post({ 'content-type': 'application/json' }, `{"stdin": "${'x'.repeat(9_000_000)}"}`)
  t.equal(large.status, 413)
  t.match(await large.json(), { code: 'LG_TOO_LARGE' })
})

t.test('a body nested a million deep is refused and harms nothing', async (t) => {
  const deep = `{"language": ${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`
  t.equal((await send(EXECUTIONS, { key: gw.apiKey, body: deep })).status, 400)
  t.equal((await send(`${gw.url}/healthz`)).status, 200)
})

t.test("a caller's request id comes back if it is fit for a log, else the request gets a new one", async (t) => {
  const ask = async (id: string): Promise<string | null> =>
    (await send(`${gw.url}/api/nothing`, { headers: { 'x-request-id': id } })).headers.get('x-request-id')
  t.equal(await ask('trace-1.a:b/c_9'), 'trace-1.a:b/c_9')
  for (const id of ['with space', 'x'.repeat(129), '"quoted"', '<script>', 'caf\u00e9']) {
    t.match(await ask(id), /^req_[0-9a-f]{24}$/)
  }
  const problem = await send(`${gw.url}/api/nothing`, { headers: { 'x-request-id': 'mine' } })
  t.equal(problem.json['instance'], 'mine')
})
