import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'
import { send, series, until } from './kit/http.ts'

/** prometheus/client_js#543: large expositions block the event loop. */
const MAX_SERIES = 2_000
/** More than there may be series at all, so that one a name could not hide among the others. */
const NAMES = 2_000

/** Knows no model at all: an upstream as cheap as so many calls ask for. */
const upstream = createServer((request, response) => {
  request.resume()
  response.writeHead(404, { 'content-type': 'application/json' })
  response.end('{"message":"no such model","type":"not_found_error","param":"model","code":"model_not_found"}')
}).listen(0, '127.0.0.1')
await once(upstream, 'listening')
t.teardown(() => {
  upstream.close()
  upstream.closeAllConnections()
})
const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
const gw = await gateway(t, { redis: null, upstreamUrl })
const metrics = async (): Promise<string> => (await send(`${gw.url}/metrics`)).text
/** Series that callers could move; which kinds of garbage collection there have been is none of their doing. */
const lines = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('nodejs_gc_'))

/** Runs all of them, sixteen at a time. */
async function all(count: number, each: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await each(next++)
  }
  await Promise.all(Array.from({ length: 16 }, lane))
}

t.test('two thousand model names that do not exist make no more series than one does', async (t) => {
  const ask = async (model: string): Promise<unknown> =>
    gw.app.inject({
      method: 'POST',
      url: '/v1/chat/completions',
      headers: { authorization: `Bearer ${gw.apiKey}` },
      payload: { model, messages: [{ role: 'user', content: 'hi' }] },
    })
  await ask('no-such-model')
  const before = lines(await metrics()).length
  const evil = ['"', '\\', '\n', '{', '}', 'é', ' ', '\u0000', 'x'.repeat(150)]
  await all(NAMES, (index) => ask(`bad-${index}-${evil[index % evil.length]!}`))
  const text = await metrics()
  t.ok(lines(text).length - before < 40, `${before} series became ${lines(text).length}`)
  t.ok(lines(text).length < MAX_SERIES)
  t.notMatch(text, /bad-/)
  const counted = text.matchAll(/^loopgate_http_requests_total\{route="\/v1\/chat\/completions".* (\d+)$/gm)
  t.equal(
    [...counted].reduce((sum, [, value]) => sum + Number(value), 0),
    NAMES + 1,
    'each was counted',
  )
})

t.test('paths, methods, parameters and headers of callers make no series either', async (t) => {
  await send(`${gw.url}/api/loops/one`, { key: gw.apiKey })
  await send(`${gw.url}/nothing`)
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    await send(`${gw.url}/nothing`, { method })
  }
  const before = lines(await metrics()).length
  await all(300, async (index) => {
    const headers = { authorization: `Bearer ${gw.apiKey}`, 'x-loopgate-loop': `l${index}`, 'user-agent': `u${index}` }
    await gw.app.inject({ url: `/api/loops/loop-${index}?after=${index}`, headers })
    await gw.app.inject({ url: `/path/${index}`, headers })
    await gw.app.inject({ url: `/v1/models/model-${index}`, headers: { 'x-loopgate-loop': `l${index}` } })
  })
  const text = await metrics()
  t.ok(lines(text).length - before < 60, `${before} series became ${lines(text).length}`)
  t.match(text, /route="\/api\/loops\/:id"/)
  t.notMatch(text, /loop-1|path\/1|model-1/)
})

t.test('a request counts once, with its template, its status and its time', async (t) => {
  const name = 'loopgate_http_requests_total{route="/healthz",method="GET",status="200"}'
  const count = 'loopgate_http_request_seconds_count{route="/healthz",method="GET"}'
  const before = await metrics()
  await Promise.all(Array.from({ length: 7 }, () => send(`${gw.url}/healthz`)))
  const after = await until(async () => {
    const text = await metrics()
    return series(text, name) - series(before, name) >= 7 ? text : undefined
  })
  t.equal(series(after, name) - series(before, name), 7)
  t.equal(series(after, count) - series(before, count), 7)
})

t.test(
  'the exposition is well-formed: one HELP and one TYPE a metric, no sample outside its metric, no NaN',
  async (t) => {
    const text = await metrics()
    t.match((await send(`${gw.url}/metrics`)).headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name)
    t.equal(new Set(types).size, types.length)
    for (const line of lines(text)) {
      const sample = /^([a-zA-Z_:][\w:]*)(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$/.exec(line)
      if (sample === null) t.fail(`not a sample: ${line}`)
      const base = sample?.[1]?.replace(/_(bucket|sum|count)$/, '')
      if (!types.includes(sample?.[1]) && !types.includes(base)) t.fail(`no type for ${line}`)
    }
    t.notMatch(text, / NaN$/m)
  },
)
