import { ON_BEHALF_HEADER } from '@loopgate/contracts'
import { gateway } from '@loopgate/testkit/gateway'
import { answerJson, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { send, until } from './kit/http.ts'
import { limitedKey, usageOf } from './kit/keys.ts'

const LOOP = {
  goal: 'add two numbers',
  language: 'python',
  checks: [{ id: 'c', entryPoint: 'add', source: 'def check(f): assert f(1, 2) == 3' }],
  sampling: { model: 'gpt-oss-120b' },
  budget: { iterations: 5 },
}
const ASKED = { model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'x' }] }
const ANSWER = {
  id: 'c',
  model: 'gpt-oss-120b',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}

/** A gateway with the key of a worker, and keys of two tenants that make loops. */
async function setting(t: Tap, limits: object = {}) {
  const upstream = await scratchUpstream(t, (call) => answerJson(call, 200, ANSWER))
  const gw = await gateway(t, { upstreamUrl: upstream.url })
  const worker = await limitedKey(gw, {}, { tenant: 'operators', name: 'worker', scopes: ['worker'] })
  const maker = await limitedKey(gw, limits, { tenant: 'initech', scopes: ['loops'] })
  const other = await limitedKey(gw, {}, { tenant: 'globex', scopes: ['loops'] })
  const loopOf = async (key: { secret: string }): Promise<string> =>
    (await send(`${gw.url}/api/loops`, { key: key.secret, body: LOOP })).json['id'] as string
  const complete = (loopId: string, key = worker.secret, over: object = {}, headers: Record<string, string> = {}) =>
    send(`${gw.url}/v1/chat/completions`, {
      key,
      body: { ...ASKED, ...over },
      headers: { [ON_BEHALF_HEADER]: loopId, 'x-loopgate-sample': '0', ...headers },
    })
  return { gw, upstream, worker, maker, other, loopOf, complete }
}
type Tap = Parameters<typeof scratchUpstream>[0]

t.test('the creator of a loop pays for what its worker asks, within the limits of the key', async (t) => {
  const { gw, worker, maker, loopOf, complete } = await setting(t, { requestsPerMinute: 2 })
  const loopId = await loopOf(maker)
  t.equal((await complete(loopId)).status, 200)
  t.match(await usageOf(gw, maker.id), { total: { tokens: 5 }, minute: { requests: 1 } })
  t.match(await usageOf(gw, worker.id), { total: { tokens: 0 }, minute: { requests: 0 } })
  await complete(loopId, worker.secret, {}, { 'x-loopgate-sample': '1' })
  const refused = await complete(loopId, worker.secret, {}, { 'x-loopgate-sample': '2' })
  t.equal(refused.status, 429)
  t.match(refused.text, 'requestsPerMinute')
})

t.test('loops of two tenants share no answer, loops of one do', async (t) => {
  const { upstream, maker, other, loopOf, complete } = await setting(t)
  const first = await complete(await loopOf(maker))
  const again = await complete(await loopOf(maker))
  const elsewhere = await complete(await loopOf(other))
  const outcome = (reply: typeof first) => reply.headers.get('x-loopgate-cache')
  t.strictSame([first, again, elsewhere].map(outcome), ['miss', 'hit', 'miss'])
  t.equal(upstream.calls.length, 2)
})

t.test('a verdict is that of the creator, not of the worker', async (t) => {
  const { gw, worker, maker, other, loopOf, complete } = await setting(t)
  const [mine, theirs] = [await loopOf(maker), await loopOf(other)]
  const key = (await complete(mine)).headers.get('x-loopgate-key') ?? ''
  const judge = (loopId: string) =>
    send(`${gw.url}/api/cache/${key}/verdict`, {
      key: worker.secret,
      body: { verdict: 'pass', evaluator: loopId },
      headers: { [ON_BEHALF_HEADER]: loopId },
    })
  t.equal((await judge(theirs)).status, 404)
  t.equal(await until(async () => ((await judge(mine)).status === 200 ? true : undefined)), true)
})

t.test('only a worker may act for the creator of a loop', async (t) => {
  const { gw, worker, maker, loopOf, complete } = await setting(t)
  const loopId = await loopOf(maker)
  for (const key of [gw.apiKey, gw.otherTenantKey, maker.secret]) {
    const reply = await complete(loopId, key)
    t.equal(reply.status, 403)
    t.match(reply.text, 'lacks the scope worker')
  }
  const own = await send(`${gw.url}/v1/chat/completions`, { key: worker.secret, body: ASKED })
  t.equal(own.status, 403, 'and a worker may nothing for itself')
  t.equal((await complete(`loop_${'0'.repeat(24)}`)).status, 404)
  t.equal((await complete('nonsense')).status, 404)
  for (const path of ['/api/loops', '/api/keys', '/api/audit']) {
    const reply = await send(gw.url + path, { key: worker.secret, headers: { [ON_BEHALF_HEADER]: loopId } })
    t.equal(reply.status, 403, `${path} is nothing that a loop does`)
  }
})

t.test('a loop ends with the key that made it, and follows its changes', async (t) => {
  const { gw, maker, loopOf, complete } = await setting(t)
  const loopId = await loopOf(maker)
  t.equal((await complete(loopId)).status, 200)
  const key = `${gw.url}/api/keys/${maker.id}`
  await send(key, { method: 'PATCH', key: gw.adminKey, body: { models: ['zai-glm-4.7'] } })
  const other = await complete(loopId)
  t.equal(other.status, 403)
  t.match(other.text, /may use zai-glm-4\.7/)
  await send(`${key}/rotate`, { key: gw.adminKey, body: { overlapSeconds: 0 } })
  t.equal((await complete(loopId, undefined, { model: 'zai-glm-4.7' })).status, 200, 'a new secret is the same key')
  await send(key, { method: 'DELETE', key: gw.adminKey })
  const revoked = await complete(loopId, undefined, { model: 'zai-glm-4.7' })
  t.equal(revoked.status, 403)
  t.match(revoked.text, 'made the loop is revoked')
})
