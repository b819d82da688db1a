import type { TestScope } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { recordedSamples } from '@loopgate/problems'
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai'
import t from 'tap'

const task = recordedSamples()[10]!
const MESSAGES = [{ role: 'user' as const, content: task.prompt }]
const MODEL = 'gpt-oss-120b'

async function client(t: TestScope) {
  const sim = await cerebrasSim(t)
  return { sim, openai: new OpenAI({ baseURL: `${sim.url}/v1`, apiKey: sim.apiKey, maxRetries: 0 }) }
}

t.test('a completion, whole', async (t) => {
  const { openai } = await client(t)
  const reply = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, seed: 6 })
  t.equal(reply.choices[0]?.message.content, task.samples[6])
  t.equal(reply.usage?.total_tokens, (reply.usage?.prompt_tokens ?? 0) + (reply.usage?.completion_tokens ?? 0))
})

t.test('a completion, streamed, with usage at the end', async (t) => {
  const { sim, openai } = await client(t)
  const stream = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, seed: 6, stream: true })
  let content = ''
  let finish: string | null | undefined
  let tokens: number | undefined
  for await (const chunk of stream) {
    content += chunk.choices[0]?.delta.content ?? ''
    finish = chunk.choices[0]?.finish_reason ?? finish
    tokens = chunk.usage?.completion_tokens ?? tokens
  }
  t.equal(content, task.samples[6])
  t.equal(finish, 'stop')
  t.ok(tokens)
  t.match(await sim.stats(), { requests: 1, streams: 1, inFlight: 0, aborted: 0 })
})

t.test('a tool call, put together by the client’s own helper', async (t) => {
  const { openai } = await client(t)
  const tools = [
    {
      type: 'function' as const,
      function: {
        name: 'save',
        parameters: { type: 'object', required: ['path'], properties: { path: { type: 'string' } } },
      },
    },
  ]
  const stream = openai.chat.completions.stream({ model: MODEL, messages: MESSAGES, tools, tool_choice: 'required' })
  const message = (await stream.finalChatCompletion()).choices[0]?.message
  const call = message?.tool_calls?.[0]
  t.equal(call?.type === 'function' ? call.function.arguments : undefined, '{"path":"text"}')

  const followed = await openai.chat.completions.create({
    model: MODEL,
    messages: [
      ...MESSAGES,
      {
        role: 'assistant',
        tool_calls: [{ id: call?.id ?? '', type: 'function', function: { name: 'save', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: call?.id ?? '', content: 'done' },
    ],
  })
  t.equal(followed.choices[0]?.finish_reason, 'stop')
})

t.test('each error arrives as the client’s own class, its text in the flat body', async (t) => {
  const { sim, openai } = await client(t)
  const failure = async (call: Promise<unknown>) => {
    const error: unknown = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!(error instanceof APIError)) throw new Error('expected an error of the API', { cause: error })
    return error
  }
  const create = (extra: Record<string, unknown> = {}) =>
    openai.chat.completions.create({ model: MODEL, messages: MESSAGES, ...extra })

  t.ok((await failure(create({ store: true }))) instanceof BadRequestError)
  t.ok((await failure(create({ model: 'foo' }))) instanceof NotFoundError)
  const wrong = new OpenAI({ baseURL: `${sim.url}/v1`, apiKey: 'nope', maxRetries: 0 })
  t.ok((await failure(wrong.models.list().then((page) => page.data))) instanceof AuthenticationError)
  await sim.faults([
    { kind: 'queue_exceeded', count: 1 },
    { kind: 'server_error', count: 1 },
  ])
  t.ok((await failure(create())) instanceof RateLimitError)
  const broken = await failure(create())
  t.ok(broken instanceof InternalServerError)
  t.match(broken.message, /Encountered a server error/)
})

t.test('an error in the middle of a stream is thrown by the iteration', async (t) => {
  const { sim, openai } = await client(t)
  await sim.faults({ kind: 'error_chunk', afterChunks: 4, count: 1 })
  const stream = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true })
  let chunks = 0
  await t.rejects(
    async () => {
      for await (const _chunk of stream) chunks += 1
    },
    { message: /Encountered a server error/ },
  )
  t.equal(chunks, 4)
})

t.test('the models are listed', async (t) => {
  const { openai } = await client(t)
  const ids: string[] = []
  for await (const model of openai.models.list()) ids.push(model.id)
  t.strictSame(ids, ['gpt-oss-120b', 'zai-glm-4.7', 'gemma-4-31b', 'qwen-3.8-27b'])
  t.equal((await openai.models.retrieve(MODEL)).id, MODEL)
})
