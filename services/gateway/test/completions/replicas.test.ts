import { once } from 'node:events'
import { gateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { answerJson, beginStream, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import {
  ask,
  caller,
  contentOf,
  delta,
  END,
  env,
  follows,
  metric,
  replicas,
  TEXT,
  until,
  USAGE,
} from './replica-kit.ts'

t.test('the leader’s own caller leaves: those on other replicas get the whole answer of the one call', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
  const { gates } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  const first = caller(leader, { stream: true })
  await first.reply
  const replies = others.flatMap((gate) => [true, false].map((stream) => ({ stream, ...caller(gate, { stream }) })))
  await Promise.all(others.map(follows))
  first.leave()
  await until(async () => (await metric(leader, 'loopgate_generation_results_total{result="client_closed"}')) === 1)
  const { response } = await upstream.call(1)
  response.end(`${delta('🌍')}${END}`)
  const contents = await Promise.all(
    replies.map(async ({ stream, reply }) => contentOf((await reply).status, await (await reply).text(), stream)),
  )
  t.strictSame(new Set(contents), new Set([TEXT]))
  t.equal(upstream.calls.length, 1)
})

t.test('when all callers on all replicas have left, the upstream call is given up', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
  const { gates } = await replicas(t, 3, upstream.url)
  const callers = gates.map((gate) => caller(gate, { stream: true }))
  await Promise.all(callers.map(({ reply }) => reply))
  t.equal(upstream.calls.length, 1)
  for (const { leave } of callers) leave()
  const { abandoned } = await upstream.call(1)
  await abandoned
  for (const gate of gates) await until(async () => (await metric(gate, 'loopgate_flights')) === 0)
})

t.test('two tenants with the same body never meet, on whichever replicas they are', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    const message = { role: 'assistant', content: `answer ${call.serial}` }
    answerJson(call, 200, { id: 'x', choices: [{ index: 0, finish_reason: 'stop', message }], usage: USAGE })
  })
  const { gates } = await replicas(t, 2, upstream.url)
  const [one, two] = gates
  const ours = await Promise.all([ask(one, false), ask(two, false)])
  const theirs = await Promise.all(
    [one, two].map(({ url, otherTenantKey }) => ask({ url, apiKey: otherTenantKey }, false)),
  )
  const said = [ours, theirs].map((replies) => new Set(replies.map(({ text }) => contentOf(200, text, false))))
  t.strictSame(
    said.map(({ size }) => size),
    [1, 1],
  )
  t.not([...said[0]!][0], [...said[1]!][0])
  t.equal(upstream.calls.length, 2)
})

t.test('an API key, a wrong proof or no proof opens no flight to a stranger', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('secret')))
  const store = await redis(t)
  const gate = await gateway(t, { upstreamUrl: upstream.url, redis: store })
  const reply = await caller(gate, { stream: true }).reply
  const key = reply.headers.get('x-loopgate-key') ?? ''
  const [flight] = await store.client.keys(`${store.keyPrefix}:gen:*:flight`)
  const token = await store.client.hget(flight ?? '', 'token')
  t.match(token, /^\d{10,}$/)
  const attempts: Record<string, string>[] = [
    {},
    { authorization: `Bearer ${gate.apiKey}` },
    { authorization: `Bearer ${gate.adminKey}` },
    { authorization: `Bearer ${gate.runnerToken}` },
    { 'x-loopgate-peer': '' },
    { 'x-loopgate-peer': '00' },
    { 'x-loopgate-peer': '0'.repeat(64) },
  ]
  for (const headers of attempts) {
    const { status } = await fetch(`${gate.url}/internal/flights/${key}?token=${token}`, { headers })
    t.equal(status, 404, JSON.stringify(Object.keys(headers)))
  }
})

t.test('eight gateways over one Redis make one call for one question', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
  const store = await redis(t)
  const gates = await Promise.all(
    Array.from({ length: 8 }, () => gateway(t, { upstreamUrl: upstream.url, redis: store, env })),
  )
  const replies = gates.map((gate) => caller(gate, { stream: true }).reply)
  await Promise.all(replies)
  const { response } = await upstream.call(1)
  response.end(`${delta('🌍')}${END}`)
  const texts = await Promise.all(replies.map(async (reply) => await (await reply).text()))
  t.strictSame(new Set(texts), new Set([`${delta('Hello ')}${delta('🌍')}${END}`]))
  t.equal(upstream.calls.length, 1)
})

t.test('a replica that shuts down in order is no longer listed, and lets those who follow it finish', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
  const { gates } = await replicas(t, 2, upstream.url)
  const [leader, other] = gates
  const first = caller(leader, { stream: true })
  await first.reply
  const second = caller(other, { stream: true })
  await second.reply
  leader.child.kill('SIGTERM')
  const exited = once(leader.child, 'exit')
  await until(async () => /shut|clos|drain/i.test(leader.output()))
  const { response } = await upstream.call(1)
  response.end(`${delta('🌍')}${END}`)
  for (const { reply } of [first, second]) t.equal(contentOf(200, await (await reply).text(), true), TEXT)
  await exited
  await until(async () => (await metric(other, 'loopgate_replica_peers')) === 0)
  t.equal(upstream.calls.length, 1)
})
