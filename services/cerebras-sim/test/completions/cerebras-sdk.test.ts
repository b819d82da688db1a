import { Cerebras, APIConnectionError, InternalServerError, RateLimitError } from '@cerebras/cerebras_cloud_sdk'
import { recordedSamples } from '@loopgate/problems'
import type { TestScope } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import t from 'tap'

const task = recordedSamples()[20]!
const MESSAGES = [{ role: 'user' as const, content: task.prompt }]
const MODEL = 'gpt-oss-120b'

async function client(t: TestScope) {
  const sim = await cerebrasSim(t)
  // Its constructor opens a connection by GET /v1/tcp_warming, as it does with the real API.
  return { sim, cerebras: new Cerebras({ baseURL: sim.url, apiKey: sim.apiKey, maxRetries: 0 }) }
}

t.test('a completion, whole, with times', async (t) => {
  const { cerebras } = await client(t)
  const reply = await cerebras.chat.completions.create({ model: MODEL, messages: MESSAGES, seed: 3 })
  if (!('time_info' in reply) || !Array.isArray(reply.choices)) throw new Error('not a chat completion')
  t.match(reply.choices[0], { message: { content: task.samples[3] }, finish_reason: 'stop' })
  t.ok(reply.time_info)
})

t.test('a completion, streamed', async (t) => {
  const { cerebras } = await client(t)
  const stream = await cerebras.chat.completions.create({ model: MODEL, messages: MESSAGES, seed: 3, stream: true })
  let content = ''
  let last: unknown
  for await (const chunk of stream) {
    if (!('choices' in chunk) || !Array.isArray(chunk.choices)) continue
    const choice = chunk.choices[0] as { delta?: { content?: string } } | undefined
    content += choice?.delta?.content ?? ''
    last = chunk
  }
  t.equal(content, task.samples[3])
  t.match(last, { usage: { total_tokens: Number }, time_info: { completion_time: Number } })
})

t.test('a text completion', async (t) => {
  const { cerebras } = await client(t)
  const reply = await cerebras.completions.create({ model: MODEL, prompt: task.prompt, seed: 1 })
  t.match(reply, { object: 'text_completion', choices: [{ text: task.samples[1] }] })
})

const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'it did not fail',
    (reason: unknown) => reason,
  )

t.test('each error arrives as its own class', async (t) => {
  const { sim, cerebras } = await client(t)
  const create = (model = MODEL) => cerebras.chat.completions.create({ model, messages: MESSAGES })
  t.match(await failureOf(create('foo')), { status: 404, message: /Model foo does not exist/ })
  await sim.faults([
    { kind: 'token_quota_exceeded', count: 1 },
    { kind: 'payment_required', count: 1 },
    { kind: 'server_error', count: 1 },
    { kind: 'reset', count: 1 },
  ])
  t.ok((await failureOf(create())) instanceof RateLimitError)
  t.match(await failureOf(create()), { status: 402 })
  t.ok((await failureOf(create())) instanceof InternalServerError)
  t.ok((await failureOf(create())) instanceof APIConnectionError)
  await t.resolves(create(), 'and then it works again')
})

t.test('its own retries get past a fault that ends', async (t) => {
  const { sim } = await client(t)
  const patient = new Cerebras({ baseURL: sim.url, apiKey: sim.apiKey, maxRetries: 2, warmTCPConnection: false })
  await sim.faults({ kind: 'queue_exceeded', count: 2, retryAfterSeconds: 0.01 })
  const reply = await patient.chat.completions.create({ model: MODEL, messages: MESSAGES, seed: 0 })
  t.match(reply, { choices: [{ message: { content: task.samples[0] } }] })
  t.equal((await sim.stats()).requests, 3)
})

t.test('models of the key', async (t) => {
  const { cerebras } = await client(t)
  t.equal((await cerebras.models.list()).data.length, 4)
  t.equal((await cerebras.models.retrieve(MODEL)).id, MODEL)
})
