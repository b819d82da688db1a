import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { OWN_VERSION } from '@loopgate/runner-wire'
import { gatewayProcess } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import type { Redis } from 'ioredis'
import t from 'tap'
import { raw, send } from './kit/http.ts'
import { attach, dial, resultOf, runnerInfo } from './kit/runner.ts'

const PROVIDER_KEY = 'csk-canary-7f3a9b1c5d'
const OTHER_KEY = 'csk-canary-2e8d4c6b1a'
const FALLBACK_KEY = 'gsk-canary-9a1b2c3d4e'
const CACHE_SECRET = 'canary-secret-of-the-cache-keys'

/** An upstream that gives back the key it was called with, in every way an error can. */
const answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = []
const upstream = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    const answer = answers.shift()
    if (answer === undefined) response.end('{}')
    else answer(request, response)
  })
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')
t.teardown(() => {
  upstream.close()
  upstream.closeAllConnections()
})
const echo =
  (status: number, type = 'application/json') =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const said = String(request.headers.authorization)
    response.writeHead(status, { 'content-type': type, 'x-echo': said, 'www-authenticate': said })
    response.end(
      type === 'application/json'
        ? JSON.stringify({ message: `key ${said}`, error: { message: said }, type: said })
        : said,
    )
  }

const ORIGIN = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
const store = await redis(t)
const gw = await gatewayProcess(t, {
  redis: store,
  upstreamUrl: ORIGIN,
  upstreamKey: PROVIDER_KEY,
  env: {
    LOOPGATE_ORGANISATIONS: JSON.stringify([{ name: 'other', keys: [OTHER_KEY] }]),
    LOOPGATE_FALLBACKS: JSON.stringify([
      { name: 'fallback', url: ORIGIN, keyEnv: 'FALLBACK_KEY', models: { m: 'theirs' } },
    ]),
    FALLBACK_KEY,
    LOOPGATE_LOG_LEVEL: 'trace',
    LOOPGATE_CACHE_SECRET: CACHE_SECRET,
    LOOPGATE_EXECUTION_QUEUE_MS: '50',
  },
})

/** Everything that came back to anybody. */
const replies: string[] = []
const call = async (...parameters: Parameters<typeof send>): Promise<void> => {
  const { status, headers, text } = await send(...parameters)
  replies.push(`${status} ${JSON.stringify([...headers])} ${text}`)
}
const chat = (over: Record<string, unknown> = {}) => ({
  model: 'm',
  messages: [{ role: 'user', content: 'hi' }],
  ...over,
})
const COMPLETIONS = `${gw.url}/v1/chat/completions`

t.test('completions fail in every way', async (t) => {
  const key = gw.apiKey
  for (const status of [400, 401, 402, 403, 404, 422, 429, 500, 503]) {
    for (const type of ['application/json', 'text/html']) {
      answers.push(echo(status, type))
      await call(COMPLETIONS, { key, body: chat({ stream: status % 2 === 0 }) })
    }
  }
  answers.push((request, response) => response.end(`not json ${String(request.headers.authorization)}`))
  await call(COMPLETIONS, { key, body: chat() })
  answers.push((request) => request.socket.destroy())
  await call(COMPLETIONS, { key, body: chat() })
  answers.push((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-echo': String(request.headers.authorization) })
    response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
    setImmediate(() => request.socket.destroy())
  })
  await call(COMPLETIONS, { key, body: chat({ stream: true }) })
  answers.push(echo(401))
  await call(`${gw.url}/v1/models`, { key })
  answers.push(echo(200))
  await call(COMPLETIONS, { key, body: chat({ temperature: 0, seed: 1 }) })
  t.equal(answers.length, 0, 'the upstream was asked each time')
})

t.test('keys are sent where they do not belong', async () => {
  const secrets = [gw.apiKey, gw.adminKey, gw.otherTenantKey, gw.runnerToken, PROVIDER_KEY]
  for (const secret of secrets) {
    await call(`${gw.url}/v1/models?api_key=${secret}`, {})
    await call(`${gw.url}/api/loops?token=${secret}`, { key: gw.apiKey })
    await call(`${gw.url}/api/loops/${secret}`, { key: gw.apiKey })
    await call(`${gw.url}/nothing/${secret}?k=${secret}`, { key: secret })
    await call(`${gw.url}/api/executions`, { body: `{"broken": "${secret}`, key: gw.apiKey })
    await call(`${gw.url}/api/executions`, { body: { language: secret }, key: gw.apiKey })
    await call(`${gw.url}/api/executions`, { body: {}, headers: { 'x-api-key': `${secret}x`, cookie: secret } })
    await raw(gw.url, `GET /${secret} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\nbroken header\r\n\r\n`)
    await raw(gw.url, `GET /%zz${secret} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  }
})

t.test('runners, executions and loops do their work', async (t) => {
  const key = gw.apiKey
  const execution = { language: 'python', files: [{ path: 'a.py', content: 'x' }] }
  await call(`${gw.url}/api/executions`, { key, body: execution })
  const runner = await attach(t, gw, { runnerId: 'r' })
  const served = call(`${gw.url}/api/executions`, { key, body: execution })
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'result', leaseId, result: resultOf() })
  await served
  await call(`${gw.url}/api/runners`, { key: gw.adminKey })
  const rude = await dial(t, gw)
  rude.socket.send(JSON.stringify([{ type: 'hello', ...OWN_VERSION, info: runnerInfo(), token: gw.runnerToken }, 7]))
  await rude.closed
  await call(`${gw.url}/api/loops`, {
    key,
    headers: { 'idempotency-key': 'once' },
    body: {
      goal: 'g',
      language: 'python',
      checks: [{ id: 'c', entryPoint: 'f', source: 's' }],
      sampling: { model: 'm' },
      budget: { iterations: 1 },
    },
  })
  await call(`${gw.url}/api/loops`, { key })
})

t.test('no secret stands in a log, a metric, a reply, the document or Redis', async (t) => {
  for (const path of ['/metrics', '/openapi.json', '/readyz']) await call(gw.url + path)
  const exited = once(gw.child, 'exit')
  gw.child.kill('SIGTERM')
  t.strictSame(await exited, [0, null], 'it ends by itself')

  const log = gw.output()
  t.ok(log.split('\n').length > 50, 'the log is not empty at level trace')
  const places = { log, replies: replies.join('\n'), redis: await dump(store.client, store.keyPrefix) }
  t.match(places.redis, /loop_/, 'and Redis holds a loop')
  const secrets = {
    ...gw,
    url: '',
    provider: PROVIDER_KEY,
    other: OTHER_KEY,
    fallback: FALLBACK_KEY,
    cacheSecret: CACHE_SECRET,
  }
  for (const name of [
    'apiKey',
    'adminKey',
    'otherTenantKey',
    'runnerToken',
    'provider',
    'other',
    'fallback',
    'cacheSecret',
  ] as const) {
    for (const [place, text] of Object.entries(places)) {
      const at = text.indexOf(secrets[name])
      t.equal(at < 0 ? '' : text.slice(Math.max(0, at - 200), at + 100), '', `${name} in ${place}`)
    }
  }
})

/** Every key and value under the prefix, as text. */
async function dump(client: Redis, prefix: string): Promise<string> {
  const parts: string[] = []
  for await (const keys of client.scanStream({ match: `*${prefix}*`, count: 1000 })) {
    for (const key of keys as string[]) {
      const type = await client.type(key)
      const value = await {
        string: () => client.get(key),
        hash: () => client.hgetall(key),
        list: () => client.lrange(key, 0, -1),
        set: () => client.smembers(key),
        zset: () => client.zrange(key, '0', '-1'),
        stream: () => client.xrange(key, '-', '+'),
      }[type as 'string']()
      parts.push(`${key} ${JSON.stringify(value)}`)
    }
  }
  return parts.join('\n')
}
