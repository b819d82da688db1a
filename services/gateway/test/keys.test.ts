import { auditPageSchema, keyListSchema, keyWithSecretSchema, type KeyWithSecret } from '@loopgate/contracts'
import { gateway, gatewayProcess, type TestGateway } from '@loopgate/testkit/gateway'
import { privateRedis, redis } from '@loopgate/testkit/redis'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { send } from './kit/http.ts'

const NEW = { tenant: 'initech', name: 'ci', scopes: ['complete'] }
const SOON_MS = 10_000

async function make(gw: TestGateway, body: object = NEW): Promise<KeyWithSecret> {
  const reply = await send(`${gw.url}/api/keys`, { key: gw.adminKey, body })
  t.equal(reply.status, 201, reply.status === 201 ? 'a key is made' : reply.text)
  return keyWithSecretSchema.parse(reply.json)
}
const admin = (gw: TestGateway, method: string, path: string, body?: object) =>
  send(`${gw.url}/api${path}`, { method, key: gw.adminKey, ...(body !== undefined && { body }) })
/** What a key gets that asks for models: 200 from nobody here, but 401 or not. */
const works = async (url: string, key: string): Promise<boolean> =>
  (await send(`${url}/api/cache`, { key })).status === 200

t.test('a key is made, works at once, is listed without its secret, and is changed', async (t) => {
  const gw = await gateway(t)
  const made = await make(gw, { ...NEW, labels: { team: 'a' }, limits: { requestsPerMinute: 5 } })
  t.match(made, { state: 'active', secret: /^lgk-[\w-]{43}$/ })
  t.ok(await works(gw.url, made.secret))
  const { keys } = keyListSchema.parse((await admin(gw, 'GET', '/keys?tenant=initech')).json)
  const { secret, ...shown } = made
  t.strictSame(keys, [shown])
  const changed = await admin(gw, 'PATCH', `/keys/${made.id}`, { scopes: ['execute'], labels: null })
  t.match(changed.json, { scopes: ['execute'], limits: { requestsPerMinute: 5 } })
  t.notOk('labels' in changed.json)
  t.equal((await send(`${gw.url}/api/cache`, { key: secret })).status, 403)
})

t.test('what is wrong with a key is told by field, and nothing is made', async (t) => {
  const gw = await gateway(t)
  const bodies: readonly [object, string][] = [
    [{ ...NEW, surprise: 1 }, 'surprise'],
    [{ ...NEW, tenant: 'No Tenant' }, 'tenant'],
    [{ ...NEW, scopes: ['everything'] }, 'scopes.0'],
    [{ ...NEW, scopes: [] }, 'scopes'],
    [{ ...NEW, limits: { tokensPerMinute: -1 } }, 'limits.tokensPerMinute'],
    [{ ...NEW, limits: { tokens: 1 } }, 'limits.tokens'],
    [{ ...NEW, expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ ...NEW, priorityCeiling: 'high' }, 'priorityCeiling'],
    [{ tenant: 'x', scopes: ['complete'] }, 'name'],
  ]
  for (const [body, path] of bodies) {
    const reply = await admin(gw, 'POST', '/keys', body)
    t.match(reply, { status: 400, json: { code: 'LG_BAD_REQUEST', errors: [{ path }] } }, path)
  }
  t.strictSame(keyListSchema.parse((await admin(gw, 'GET', '/keys')).json).keys, [])
  for (const path of ['/keys/nobody', '/keys/nobody/usage']) t.equal((await admin(gw, 'GET', path)).status, 404)
  t.equal((await admin(gw, 'DELETE', '/keys/nobody')).status, 404)
  t.equal((await send(`${gw.url}/api/keys`, { key: gw.apiKey })).status, 403)
})

t.test('a revoked key is refused on every replica within a second', async (t) => {
  const store = await redis(t)
  const [one, two] = await Promise.all([gateway(t, { redis: store }), gateway(t, { redis: store })])
  const made = await make(one)
  await until(() => works(two.url, made.secret), SOON_MS)
  t.match((await admin(one, 'DELETE', `/keys/${made.id}`)).json, { state: 'revoked' })
  t.notOk(await works(one.url, made.secret), 'at once where it was revoked, over a connection that knew it')
  await until(async () => !(await works(two.url, made.secret)), SOON_MS)
  t.equal((await admin(two, 'POST', `/keys/${made.id}/rotate`, {})).status, 409, 'it does not come back')
})

t.test('a rotated key works with both secrets for the overlap, and without one with the new alone', async (t) => {
  const gw = await gateway(t)
  const made = await make(gw)
  const rotated = keyWithSecretSchema.parse((await admin(gw, 'POST', `/keys/${made.id}/rotate`, {})).json)
  t.ok(await works(gw.url, made.secret))
  t.ok(await works(gw.url, rotated.secret))
  t.ok(rotated.oldSecretUntil)
  const again = keyWithSecretSchema.parse(
    (await admin(gw, 'POST', `/keys/${made.id}/rotate`, { overlapSeconds: 0 })).json,
  )
  t.strictSame(await Promise.all([made, rotated, again].map(({ secret }) => works(gw.url, secret))), [
    false,
    false,
    true,
  ])
})

t.test('a key that has expired is refused', async (t) => {
  const gw = await gateway(t)
  const past = await make(gw, { ...NEW, expiresAt: new Date(Date.now() - 1000).toISOString() })
  t.equal(past.state, 'expired')
  t.notOk(await works(gw.url, past.secret))
  const soon = await make(gw, { ...NEW, expiresAt: new Date(Date.now() + 300).toISOString() })
  await until(async () => !(await works(gw.url, soon.secret)), SOON_MS)
})

t.test('every change is in the audit, and no secret or digest is there or in Redis', async (t) => {
  const store = await redis(t)
  const gw = await gateway(t, { redis: store })
  const made = await make(gw)
  await admin(gw, 'PATCH', `/keys/${made.id}`, { name: 'other' })
  const rotated = keyWithSecretSchema.parse((await admin(gw, 'POST', `/keys/${made.id}/rotate`, {})).json)
  await admin(gw, 'DELETE', `/keys/${made.id}`)
  await admin(gw, 'PUT', '/tenants/initech', { limits: { tokensPerDay: 5 } })
  await admin(gw, 'DELETE', '/tenants/initech')
  const { entries, next } = auditPageSchema.parse((await admin(gw, 'GET', '/audit?limit=4')).json)
  const rest = auditPageSchema.parse((await admin(gw, 'GET', `/audit?after=${next}`)).json)
  const actions = [...entries, ...rest.entries].map(({ action, by, subject }) => `${action} ${by} ${subject}`)
  const keyActions = ['created', 'changed', 'rotated', 'revoked'].map((what) => `key.${what} acme/admin key ${made.id}`)
  t.strictSame(actions, [...keyActions, 'tenant.set acme/admin key initech', 'tenant.removed acme/admin key initech'])
  t.equal(rest.next, null)

  const kept: string[] = []
  for await (const names of store.client.scanStream({ match: `*${store.keyPrefix}*` })) {
    for (const name of names as string[]) kept.push(`${name} ${(await store.client.dump(name)) ?? ''}`)
  }
  t.ok(kept.some((text) => text.includes(made.id)))
  for (const { secret } of [made, rotated]) t.notOk(kept.some((text) => text.includes(secret)))
  t.notMatch(JSON.stringify([entries, rest]), /sha256/)
})

t.test('with Redis gone known keys go on working, and changes are refused', async (t) => {
  const server = await privateRedis(t)
  const gw = await gateway(t, { redis: { url: server.url, keyPrefix: 'k' } })
  const made = await make(gw)
  process.kill(server.pid, 'SIGKILL')
  await until(async () => (await admin(gw, 'POST', '/keys', NEW)).status === 503, SOON_MS)
  t.equal(
    (await send(`${gw.url}/v1/models`, { key: made.secret })).status,
    502,
    'the upstream is asked, and is nowhere',
  )
  t.match((await admin(gw, 'GET', '/keys')).json, { code: 'LG_STORE_UNAVAILABLE' })
})

t.test(
  'the first of replicas that start together prints the first admin key, and a later start prints none',
  async (t) => {
    const store = await redis(t)
    const env = { LOOPGATE_API_KEYS: '[]' }
    const started = await Promise.all([1, 2].map(() => gatewayProcess(t, { redis: store, env })))
    const printed = (): string[] =>
      started.flatMap(({ output }) => [...output().matchAll(/once: (lgk-\S+)/g)].map(([, key = '']) => key))
    await until(() => printed().length > 0, SOON_MS)
    const [secret = ''] = printed()
    for (const { url } of started)
      await until(async () => (await send(`${url}/api/keys`, { key: secret })).status === 200, SOON_MS)
    t.equal(printed().length, 1)
    const later = await gatewayProcess(t, { redis: store, env })
    await until(async () => (await send(`${later.url}/api/keys`, { key: secret })).status === 200, SOON_MS)
    t.notMatch(later.output(), /once:/)
  },
)

t.test('an admin key of the environment works without Redis, and a short one is refused', async (t) => {
  const key = 'a-key-of-the-operator-that-is-long-enough'
  const gw = await gateway(t, { redis: null, env: { LOOPGATE_ADMIN_KEY: key } })
  t.equal((await send(`${gw.url}/api/keys`, { key })).status, 503)
  t.equal((await send(`${gw.url}/api/cache`, { key })).status, 200)
  await t.rejects(gateway(t, { env: { LOOPGATE_ADMIN_KEY: 'short' } }), /LOOPGATE_ADMIN_KEY/)
})
