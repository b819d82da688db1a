import { Validator } from '@seriousme/openapi-schema-validator'
import type { OpenAPIV3_1 } from 'openapi-types'
import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'
import { send } from './kit/http.ts'

const gw = await gateway(t, { redis: null })
const document = (await send(`${gw.url}/openapi.json`)).json as unknown as OpenAPIV3_1.Document

type Operation = OpenAPIV3_1.OperationObject & { at: string }
const operations: Operation[] = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  (['get', 'post', 'put', 'patch', 'delete'] as const).flatMap((method) => {
    const operation = item?.[method]
    return operation === undefined ? [] : [{ ...operation, at: `${method.toUpperCase()} ${path}` }]
  }),
)

t.test('the document is valid OpenAPI 3.1', async (t) => {
  t.match(document.openapi, /^3\.1\./)
  const result = await new Validator().validate(document)
  t.ok(result.valid, JSON.stringify(result.errors))
})

t.test('every route that the server answers is in the document, and nothing else', async (t) => {
  const routes = [
    'GET /healthz',
    'GET /readyz',
    'GET /metrics',
    'GET /openapi.json',
    'POST /api/executions',
    'POST /api/executions/batch',
    'GET /api/executions/{id}',
    'DELETE /api/executions/{id}',
    'GET /api/runners',
    'GET /api/runners/connect',
    'POST /api/runners/{id}/drain',
    'POST /api/loops',
    'GET /api/loops',
    'GET /api/loops/{id}',
    'POST /api/loops/{id}/cancel',
    'POST /api/loops/{id}/resume',
    'GET /api/loops/{id}/events',
    'GET /api/cache',
    'DELETE /api/cache',
    'GET /api/cache/{key}',
    'DELETE /api/cache/{key}',
    'POST /api/cache/{key}/verdict',
    'POST /api/cache/explain',
    'POST /api/keys',
    'GET /api/keys',
    'GET /api/keys/{id}',
    'PATCH /api/keys/{id}',
    'DELETE /api/keys/{id}',
    'POST /api/keys/{id}/rotate',
    'GET /api/keys/{id}/usage',
    'GET /api/tenants',
    'GET /api/tenants/{tenant}',
    'PUT /api/tenants/{tenant}',
    'DELETE /api/tenants/{tenant}',
    'GET /api/tenants/{tenant}/usage',
    'GET /api/audit',
    'POST /v1/chat/completions',
    'POST /v1/completions',
    'GET /v1/models',
    'GET /v1/models/{id}',
    'GET /v1/tcp_warming',
  ]
  t.strictSame(operations.map(({ at }) => at).sort(), routes.sort())
})

t.test('every operation says what it does, who may call it, and what comes back', async (t) => {
  const open = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/tcp_warming']
  for (const { at, summary, tags, security, responses } of operations) {
    t.ok(summary, at)
    t.equal(tags?.length, 1, at)
    const path = at.split(' ')[1]!
    t.strictSame(security ?? [], open.includes(path) ? [] : [{ bearer: [] }, { apiKey: [] }], at)
    t.ok(Object.keys(responses ?? {}).length > 0, at)
    if (security !== undefined) for (const status of ['401', '403']) t.ok(responses?.[status], `${at} ${status}`)
    for (const [status, response] of Object.entries(responses ?? {})) {
      const { content = {} } = response as OpenAPIV3_1.ResponseObject
      if (status !== '204')
        t.ok(
          Object.values(content).every(({ schema }) => schema),
          `${at} ${status} has a schema`,
        )
      if (Number(status) < 400 || path === '/readyz') continue
      const expected = path.startsWith('/api') ? 'application/problem+json' : 'application/json'
      t.strictSame(Object.keys(content), [expected], `${at} ${status}`)
    }
  }
  for (const { at, requestBody } of operations) {
    if (at.startsWith('POST') && !/cancel|resume|drain/.test(at)) t.ok(requestBody, at)
  }
})

t.test('routes that the document calls open need no key, and the others do', async (t) => {
  for (const { at, security } of operations) {
    const [method = '', path = ''] = at.split(' ')
    if (path === '/metrics' || path === '/openapi.json') continue
    const { status } = await send(gw.url + path.replace('{id}', 'x'), { method })
    if (security === undefined) t.equal(status, 200, at)
    else t.equal(status, 401, at)
  }
})

t.test('the routes of /v1 answer without the prefix too, and the document names them once', async (t) => {
  for (const [method, path] of [
    ['POST', '/chat/completions'],
    ['POST', '/completions'],
    ['GET', '/models'],
    ['GET', '/models/x'],
  ] as const) {
    const twin = await send(gw.url + path, { method })
    const named = await send(`${gw.url}/v1${path}`, { method })
    t.strictSame([twin.status, twin.text], [named.status, named.text], path)
    t.equal(twin.status, 401)
  }
  t.equal((await send(`${gw.url}/tcp_warming`)).status, 200)
})
