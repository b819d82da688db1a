import { until as untilWithin } from '@loopgate/testkit/until'
import { once } from 'node:events'
import { gateway, gatewayProcess, type TestGatewayProcess } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { post, QUESTION } from './kit.ts'

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: { content } }] })
const FINISH = event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USAGE })
const END = `${FINISH}data: [DONE]\n\n`
const TEXT = 'Hello 🌍'

type Gate = { readonly url: string; readonly apiKey: string }

// A machine under load may keep Redis or a gateway waiting; a replica would then lead for itself.
const env = { LOOPGATE_REPLICA_TTL_MS: '1500', LOOPGATE_CACHE_TIMEOUT_MS: '10000' }

/** Gateways as processes over one Redis that know each other. */
async function replicas(t: Test, count: number, upstreamUrl: string) {
  const store = await redis(t)
  const gates = await Promise.all(
    Array.from({ length: count }, () => gatewayProcess(t, { upstreamUrl, redis: store, env })),
  )
  for (const gate of gates) await until(async () => (await metric(gate, 'loopgate_replica_peers')) === count - 1)
  return { store, gates: gates as [TestGatewayProcess, TestGatewayProcess, TestGatewayProcess] }
}

/** Waits for what another process does and does not tell. */
const until = (holds: () => Promise<boolean>): Promise<void> => untilWithin(holds, 20_000)

async function metric({ url }: { url: string }, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((entry) => entry.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1) ?? 0)
}

/** Whether a flight is followed on this replica. */
const follows = (gate: Gate) => until(async () => (await metric(gate, 'loopgate_claims_total{result="follow"}')) > 0)

const ask = (gate: Gate, stream: boolean, extra: object = {}) =>
  post(gate, { ...QUESTION, temperature: 0, stream, ...extra })

/** A caller whose connection can be cut, and that says when it has got a text. */
function caller(gate: Gate, body: object) {
  const gone = new AbortController()
  const reply = fetch(`${gate.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...QUESTION, temperature: 0, ...body }),
    signal: gone.signal,
  })
  reply.catch(() => {})
  return { reply, leave: () => gone.abort() }
}

/** What a reply says, or null for one that says that it failed. Throws for a truncated success. */
function contentOf(status: number, text: string, stream: boolean): string | null {
  if (status !== 200) return null
  if (!stream) {
    const reply = JSON.parse(text) as { choices: { message: { content: string } }[] }
    return reply.choices[0]?.message.content ?? ''
  }
  const chunks = text.split('\n\n').flatMap((part) => (part.startsWith('data: ') ? [part.slice(6)] : []))
  const parsed = chunks
    .filter((chunk) => chunk !== '[DONE]')
    .map((chunk) => JSON.parse(chunk) as { choices: { delta?: { content?: string }; finish_reason?: string }[] })
  if (parsed.some(({ choices }) => choices[0]?.finish_reason === 'error')) {
    if (chunks.includes('[DONE]')) throw new Error('an error and [DONE]')
    return null
  }
  if (!chunks.includes('[DONE]')) throw new Error(`a truncated success: ${text}`)
  return parsed.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')
}

t.test('fifteen hundred equal requests over three processes cost one upstream call', async (t) => {
  const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
  const { gates } = await replicas(t, 3, upstream.url)
  const asked = Array.from({ length: 1500 }, (_, index) => ({
    stream: index % 2 === 0,
    gate: gates[index % 3]!,
  }))
  const replies = asked.map(({ gate, stream }) => ({ stream, ...caller(gate, { stream }) }))
  // The answer is held back until every stream has begun: they follow a flight, not the cache.
  const { response } = await upstream.call(1)
  await Promise.all(replies.map(async ({ stream, reply }) => (stream ? await reply : null)))
  response.end(`${delta('🌍')}${END}`)
  const answers = await Promise.all(
    replies.map(async ({ stream, reply }) => {
      const { status, headers } = await reply
      const text = await (await reply).text()
      return { content: contentOf(status, text, stream), text, stream, outcome: headers.get('x-loopgate-cache') }
    }),
  )
  t.equal(upstream.calls.length, 1)
  t.strictSame(new Set(answers.map(({ content }) => content)), new Set([TEXT]))
  t.equal(new Set(answers.filter(({ stream }) => stream).map(({ text }) => text)).size, 1, 'byte for byte')
  t.equal(answers.filter(({ outcome }) => outcome === 'miss').length >= 1, true)
  t.ok(answers.filter(({ outcome }) => outcome === 'coalesced').length >= 750 - 3)
})

t.test('a leader killed before the first byte has exactly one successor, and all get the answer', async (t) => {
  const upstream = await scratchUpstream(t, (call: ScratchCall) => {
    if (call.serial === 1) return
    if (call.body['stream'] === true) beginStream(call).end(`${delta(TEXT)}${END}`)
    else {
      const message = { role: 'assistant', content: TEXT }
      answerJson(call, 200, { id: 'x', choices: [{ index: 0, finish_reason: 'stop', message }], usage: USAGE })
    }
  })
  const { gates } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  caller(leader, { stream: true })
  await upstream.call(1)
  const asked = Array.from({ length: 100 }, (_, index) => ({ stream: index % 2 === 0, gate: others[index % 2]! }))
  // Both shapes on both replicas.
  const replies = asked.map(({ gate }, index) => ({
    stream: index % 4 < 2,
    ...caller(gate, { stream: index % 4 < 2 }),
  }))
  await Promise.all(others.map(follows))
  leader.child.kill('SIGKILL')
  const contents = await Promise.all(
    replies.map(async ({ stream, reply }) => contentOf((await reply).status, await (await reply).text(), stream)),
  )
  t.strictSame(new Set(contents), new Set([TEXT]))
  t.equal(upstream.calls.length, 2)
})

t.test('a leader killed in mid-stream: an error to whoever has a part, an answer to the others', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    const response = beginStream(call)
    response.write(delta('Hello '))
    if (call.serial > 1) response.end(`${delta('🌍')}${END}`)
  })
  const { gates, store } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  const first = caller(leader, { stream: true })
  await first.reply
  const replies = Array.from({ length: 100 }, (_, index) => {
    const stream = index % 4 < 2
    return { stream, ...caller(others[index % 2]!, { stream }) }
  })
  const parts = await Promise.all(
    replies.filter(({ stream }) => stream).map(async ({ reply }) => readUntil(await reply, 'Hello ')),
  )
  leader.child.kill('SIGKILL')
  const streamed = await Promise.all(parts.map(async ({ rest }) => contentOf(200, await rest(), true)))
  const whole = await Promise.all(
    replies
      .filter(({ stream }) => !stream)
      .map(async ({ reply }) => contentOf((await reply).status, await (await reply).text(), false)),
  )
  t.strictSame(new Set(streamed), new Set([null]), 'no truncated success')
  t.strictSame(new Set(whole), new Set([TEXT]))
  t.ok(upstream.calls.length <= 2)
  const entries = (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))
  t.equal(entries.length, 1, 'one entry, the successor’s')
  const again = await ask(others[0], true)
  t.equal(contentOf(again.status, again.text, true), TEXT)
  t.equal(upstream.calls.length, 2)
})

t.test('a leader that freezes is succeeded, and what it says when it wakes is not kept', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    if (call.serial > 1) beginStream(call).end(`${delta(TEXT)}${END}`)
  })
  const { gates, store } = await replicas(t, 2, upstream.url)
  const [leader, other] = gates
  const first = caller(leader, { stream: true })
  const { response } = await upstream.call(1)
  const second = caller(other, { stream: true })
  await follows(other)
  leader.child.kill('SIGSTOP')
  t.equal(contentOf(200, await (await second.reply).text(), true), TEXT)
  leader.child.kill('SIGCONT')
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${delta('stale')}${END}`)
  t.equal(contentOf(200, await (await first.reply).text(), true), 'stale', 'its own caller has a whole answer')
  await until(async () => leader.output().includes('it is not kept'))
  const [entry] = (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))
  const value = String(await store.client.getBuffer(entry ?? ''))
  t.match(value, TEXT)
  t.notMatch(value, 'stale')
  t.equal(upstream.calls.length, 2)
})

/** Reads a stream until it has said this; `rest` reads on and gives everything. */
async function readUntil(reply: Response, text: string) {
  const reader = reply.body!.pipeThrough(new TextDecoderStream()).getReader()
  let got = ''
  while (!got.includes(text)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`ended before ${text}: ${got}`)
    got += value
  }
  const rest = async (): Promise<string> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) got += part.value
    return got
  }
  return { rest }
}

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
