import t from 'tap'
import { ask, chunksOf, contentOf, eventData, kit } from '../kit.ts'

const UUID = /^chatcmpl-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/
const CHUNK_KEYS = ['id', 'choices', 'created', 'model', 'system_fingerprint', 'object']

t.test('a whole chat completion has the recorded members in the recorded order, and no null', async (t) => {
  const { chat } = kit(t)
  const reply = await chat(ask('Write.', { reasoning_effort: 'low' }))
  t.equal(reply.headers['content-type'], 'application/json')
  const body = reply.json()
  t.strictSame(Object.keys(body), [
    'id',
    'choices',
    'created',
    'model',
    'system_fingerprint',
    'object',
    'usage',
    'time_info',
  ])
  t.match(body.id, UUID)
  t.equal(reply.headers['inference-id'], body.id)
  t.match(String(reply.headers['x-request-id']), /^[0-9a-f]{16}-[A-Z]{3}$/)
  t.equal(body.object, 'chat.completion')
  t.match(body.system_fingerprint, /^fp_[0-9a-f]{20}$/)
  t.equal(body.created, Math.floor(Date.UTC(2026, 10, 25, 20, 59, 55) / 1000))
  t.strictSame(Object.keys(body.choices[0]), ['finish_reason', 'index', 'message'])
  t.strictSame(Object.keys(body.choices[0].message), ['content', 'reasoning', 'role'])
  t.strictSame(Object.keys(body.usage), [
    'total_tokens',
    'completion_tokens',
    'completion_tokens_details',
    'prompt_tokens',
    'prompt_tokens_details',
  ])
  t.strictSame(Object.keys(body.usage.completion_tokens_details), [
    'accepted_prediction_tokens',
    'rejected_prediction_tokens',
    'reasoning_tokens',
  ])
  t.equal(body.usage.total_tokens, body.usage.prompt_tokens + body.usage.completion_tokens)
  t.strictSame(Object.keys(body.time_info), ['created', 'queue_time', 'prompt_time', 'completion_time', 'total_time'])
  const { queue_time: queue, prompt_time: prompt, completion_time: completion, total_time: total } = body.time_info
  t.ok(total > queue + prompt + completion)
  t.notMatch(reply.body, /null/)
})

t.test('gemma leaves the prediction counters out of usage', async (t) => {
  const reply = await kit(t).chat(ask('Write.', { model: 'gemma-4-31b' }))
  t.strictSame(Object.keys(reply.json().usage.completion_tokens_details), ['reasoning_tokens'])
})

t.test('a stream is role, thinking, content, finish with usage and times, [DONE]; nothing else', async (t) => {
  const { chat } = kit(t)
  const reply = await chat(ask('Reply ok', { stream: true, reasoning_effort: 'low', reasoning_format: 'parsed' }))
  t.equal(reply.statusCode, 200)
  t.equal(reply.headers['content-type'], 'text/event-stream; charset=utf-8')
  t.notOk('content-length' in reply.headers)
  const data = eventData(reply.body)
  t.equal(data.at(-1), '[DONE]')
  t.equal(data.filter((text) => text === '[DONE]').length, 1)

  const chunks = chunksOf(reply.body)
  const last = chunks.at(-1)!
  for (const chunk of chunks) {
    t.strictSame(Object.keys(chunk), chunk === last ? [...CHUNK_KEYS, 'usage', 'time_info'] : CHUNK_KEYS)
    t.equal(chunk.choices.length, 1)
    t.equal(chunk.id, reply.headers['inference-id'])
    t.strictSame(
      Object.keys(chunk.choices[0]!),
      chunk === last ? ['delta', 'finish_reason', 'index'] : ['delta', 'index'],
    )
  }
  const kinds = chunks.map((chunk) => Object.keys(chunk.choices[0]!.delta).join('+'))
  t.match(kinds.join(','), /^role,(?:reasoning,)+(?:content,)+$/)
  t.strictSame(chunks[0]?.choices[0]?.delta, { role: 'assistant' })
  t.strictSame(last.choices[0]?.delta, {})
  t.equal(last.choices[0]?.finish_reason, 'stop')
})

t.test('streamed and whole are the same answer: text, usage, times, fingerprint', async (t) => {
  const { chat } = kit(t)
  for (const extra of [{}, { max_completion_tokens: 20 }, { stop: 'return' }, { reasoning_effort: 'high' }]) {
    const whole = (await chat(ask('Write é 😀.', extra))).json()
    const chunks = chunksOf((await chat(ask('Write é 😀.', { ...extra, stream: true }))).body)
    const last = chunks.at(-1)!
    t.equal(contentOf(chunks), whole.choices[0].message.content)
    t.equal(last.choices[0]?.finish_reason, whole.choices[0].finish_reason)
    t.strictSame(last.usage, whole.usage)
    t.strictSame(last.time_info, whole.time_info)
  }
})

t.test('include_usage changes nothing: usage rides in the finish chunk anyway', async (t) => {
  const { chat } = kit(t)
  const shape = async (extra: Record<string, unknown>) =>
    chunksOf((await chat(ask('Write.', { stream: true, ...extra }))).body).map((chunk) => [
      chunk.choices.length,
      'usage' in chunk,
    ])
  const asked = await shape({ stream_options: { include_usage: true } })
  t.ok(asked.every(([choices]) => choices === 1))
  t.equal(asked.filter(([, usage]) => usage).length, 1)
})

t.test('a text completion is text_completion, whole and streamed', async (t) => {
  const { text } = kit(t)
  const body = { model: 'gpt-oss-120b', prompt: 'Once', max_tokens: 30 }
  const whole = (await text(body)).json()
  t.strictSame(Object.keys(whole.choices[0]), ['finish_reason', 'index', 'text'])
  t.equal(whole.object, 'text_completion')
  const reply = await text({ ...body, stream: true })
  const data = eventData(reply.body)
  t.equal(data.at(-1), '[DONE]')
  const chunks = data.slice(0, -1).map((line) => JSON.parse(line))
  t.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), whole.choices[0].text)
  t.equal(chunks.at(-1).choices[0].finish_reason, 'length')
  t.strictSame(chunks.at(-1).usage, whole.usage)
})

t.test('prompt tokens grow with every part of the prompt: messages, tools, images', async (t) => {
  const { chat } = kit(t)
  const tokens = async (extra: Record<string, unknown>) => (await chat(ask('Write.', extra))).json().usage.prompt_tokens
  const least = await tokens({})
  t.ok((await tokens({ tools: [{ type: 'function', function: { name: 'f' } }] })) > least)
  const user = (content: unknown) => ({ messages: [{ role: 'user', content }], model: 'gemma-4-31b' })
  const text = { type: 'text', text: 'Write.' }
  const image = { type: 'image', image: 'data:image/png;base64,AAAA' }
  t.equal(await tokens(user([text])), least)
  t.equal(await tokens(user([text, image])), least + 280)
})
