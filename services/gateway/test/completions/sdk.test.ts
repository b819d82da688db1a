import * as cerebrasSdk from '@cerebras/cerebras_cloud_sdk'
import { answerJson, beginStream, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { cerebrasSim, type TestSimulator } from '@loopgate/testkit/sim'
import * as openaiSdk from 'openai'
import t from 'tap'
import { door, metric, QUESTION, sdks } from './kit.ts'

type Chunks = AsyncIterable<unknown>

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => ({ id: '1', choices: [{ index: 0, delta: { content }, finish_reason: null }] })
const finish = () => ({ id: '1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })

/** One streamed question through each SDK's own client. */
const asks = ({ openai, cerebras }: ReturnType<typeof sdks>) =>
  [
    [
      'openai',
      async (signal = never): Promise<Chunks> =>
        openai.chat.completions.create({ ...QUESTION, stream: true }, { signal }),
    ],
    [
      'cerebras',
      async (signal = never): Promise<Chunks> =>
        (await cerebras.chat.completions.create({ ...QUESTION, stream: true }, { signal })) as Chunks,
    ],
  ] as const

const never = new AbortController().signal

const contentOf = (chunk: unknown): string =>
  (chunk as openaiSdk.OpenAI.ChatCompletionChunk).choices[0]?.delta.content ?? ''

async function reading(stream: Chunks): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += contentOf(chunk)
  return text
}

/** Asks the simulator for the same answer without the gateway. */
async function directly(sim: TestSimulator): Promise<string> {
  const client = new openaiSdk.OpenAI({ apiKey: sim.apiKey, baseURL: `${sim.url}/v1` })
  const reply = await client.chat.completions.create(QUESTION)
  return reply.choices[0]?.message.content ?? ''
}

t.test('both SDKs get the answer of the upstream, whole and streamed', async (t) => {
  const sim = await cerebrasSim(t)
  const gateway = await door(t, sim)
  const both = sdks(gateway)
  const expected = await directly(sim)
  t.ok(expected.length > 0)

  const whole = await both.openai.chat.completions.create(QUESTION)
  t.equal(whole.choices[0]?.message.content, expected)
  t.ok((whole.usage?.completion_tokens ?? 0) > 0)
  t.ok(whole._request_id, 'the id of the request reaches the client')
  const reply = await both.cerebras.chat.completions.create(QUESTION)
  t.match(reply, { choices: [{ message: { content: expected } }], time_info: { total_time: Number } })
  for (const [name, ask] of asks(both)) t.equal(await reading(await ask()), expected, name)
})

t.test('models and the warming call of the Cerebras SDK are answered under its base URL', async (t) => {
  const sim = await cerebrasSim(t)
  const gateway = await door(t, sim)
  const { openai, cerebras } = sdks(gateway)
  const [one, other] = [await openai.models.list(), await cerebras.models.list()]
  t.ok(one.data.length > 0)
  t.strictSame(
    other.data?.map(({ id }) => id),
    one.data.map(({ id }) => id),
  )
  t.equal((await cerebras.models.retrieve('gpt-oss-120b')).id, 'gpt-oss-120b')
  for (const prefix of ['', '/v1']) t.equal((await fetch(`${gateway.url}${prefix}/tcp_warming`)).status, 200)
})

t.test('an unknown model is a NotFoundError in both SDKs, worded as Cerebras words it', async (t) => {
  const gateway = await door(t, await cerebrasSim(t))
  const { openai, cerebras } = sdks(gateway)
  const text = 'Model foo does not exist or you do not have access to it.'
  const asked = { ...QUESTION, model: 'foo' }
  for (const ask of [() => openai.chat.completions.create(asked), () => openai.models.retrieve('foo')]) {
    const error = await ask().catch((error: unknown) => error)
    t.type(error, openaiSdk.NotFoundError)
    t.match(error, {
      status: 404,
      code: 'model_not_found',
      param: 'model',
      type: 'not_found_error',
      message: `404 ${text}`,
    })
  }
  const error = await cerebras.chat.completions.create(asked).catch((error: unknown) => error)
  t.type(error, cerebrasSdk.NotFoundError)
  t.match(error, { status: 404, error: { message: text, code: 'model_not_found' }, message: `404 ${text}` })
})

t.test('a 429 within a deadline is waited out; else it is a RateLimitError with the time to wait', async (t) => {
  const sim = await cerebrasSim(t)
  const gateway = await door(t, sim)
  await sim.faults({ kind: 'queue_exceeded', count: 1 })
  const { openai, cerebras } = sdks(gateway)
  t.ok((await openai.chat.completions.create(QUESTION)).choices.length)
  await sim.faults({ kind: 'queue_exceeded', count: 1 })
  const inAHurry = { headers: { 'x-loopgate-deadline-ms': '100' } }
  const one = await openai.chat.completions.create(QUESTION, inAHurry).catch((error: unknown) => error)
  t.type(one, openaiSdk.RateLimitError)
  t.match(one, { status: 429, code: 'queue_exceeded', message: /high traffic/ })
  t.equal((one as InstanceType<typeof openaiSdk.RateLimitError>).headers.get('retry-after-ms'), '500')
  const other = await cerebras.chat.completions
    .create({ ...QUESTION, stream: true }, inAHurry)
    .catch((error: unknown) => error)
  t.type(other, cerebrasSdk.RateLimitError)
  t.match(other, { status: 429, error: { code: 'deadline_exceeded' } })
  t.ok((await sdks(gateway, { maxRetries: 1 }).openai.chat.completions.create(QUESTION)).choices.length)
})

t.test('a 500, a 503 and an HTML 502 of the upstream are InternalServerErrors, and never show its page', async (t) => {
  const sim = await cerebrasSim(t)
  const gateway = await door(t, sim)
  const { openai, cerebras } = sdks(gateway)
  for (const kind of ['server_error', 'unavailable', 'bad_gateway'] as const) {
    await sim.faults({ kind, count: 2 })
    const one = await openai.chat.completions.create(QUESTION).catch((error: unknown) => error)
    t.type(one, openaiSdk.InternalServerError, kind)
    t.match(one, { code: 'upstream_error' })
    const other = await cerebras.chat.completions.create(QUESTION).catch((error: unknown) => error)
    t.type(other, cerebrasSdk.InternalServerError, kind)
    t.notMatch(String(one) + String(other), /<html/i)
  }
})

t.test('an upstream that is cut, ends early or reports an error in mid-stream is an error in both SDKs', async (t) => {
  const sim = await cerebrasSim(t)
  const gateway = await door(t, sim)
  for (const kind of ['cut', 'truncate', 'error_chunk'] as const) {
    for (const [name, ask] of asks(sdks(gateway))) {
      await sim.faults({ kind, count: 1, afterChunks: 3 })
      const stream = await ask()
      let text = ''
      const read = async () => {
        for await (const chunk of stream) text += contentOf(chunk)
      }
      const error = await read().then(
        () => null,
        (error: unknown) => error,
      )
      t.type(error, name === 'openai' ? openaiSdk.APIError : cerebrasSdk.APIError, `${kind}: ${name}`)
      // The Cerebras SDK words every error in a stream so (measured with 1.91.0).
      if (name === 'openai') t.match(error, { code: /^upstream_/, message: /upstream/i })
      t.ok(text.length > 0, 'what had come was delivered')
    }
  }
})

t.test('the Cerebras SDK and openai abort a stream, and the upstream stops', async (t) => {
  const sim = await cerebrasSim(t, { tokensPerSecond: 5 })
  const gateway = await door(t, sim)
  for (const [name, ask] of asks(sdks(gateway))) {
    await sim.reset()
    const leaving = new AbortController()
    const stream = await ask(leaving.signal)
    for await (const _ of stream) {
      leaving.abort()
      break
    }
    let { aborted } = await sim.stats()
    for (const deadline = Date.now() + 5000; aborted === 0 && Date.now() < deadline;) ({ aborted } = await sim.stats())
    t.equal(aborted, 1, name)
  }
  t.equal(await metric(gateway, 'loopgate_generation_results_total{result="client_closed"}'), 2)
  t.equal(await metric(gateway, 'loopgate_upstream_requests_total{model="other",status="aborted"}'), 2)
  t.equal(await metric(gateway, 'loopgate_flights'), 0)
})

t.test(
  'an SDK that times out and asks again joins the flight that it left a moment ago, if others hold it',
  async (t) => {
    const sim = await cerebrasSim(t)
    const gateway = await door(t, sim)
    await sim.faults({ kind: 'slow_first_byte', count: 1, delayMs: 600 })
    const asked = { ...QUESTION, seed: 7 }
    const patient = sdks(gateway).openai.chat.completions.create(asked)
    const hasty = sdks(gateway, { maxRetries: 5 }).openai.chat.completions.create(asked, { timeout: 250 })
    const [one, other] = await Promise.all([patient, hasty])
    t.equal(other.choices[0]?.message.content, one.choices[0]?.message.content)
    t.equal((await sim.stats()).requests, 1)
  },
)

for (const [name, stream] of [
  ['whole', false],
  ['streamed', true],
] as const) {
  t.test(`${name}: openai that times out alone and asks again never pays twice`, async (t) => {
    const upstream = await scratchUpstream(t, () => {})
    const gateway = await door(t, upstream)
    const { openai } = sdks(gateway, { maxRetries: 3 })
    const asked = openai.chat.completions.create({ ...QUESTION, seed: 7, stream }, { timeout: 300 })
    const call = await upstream.call(1)
    // Its first attempt has timed out, and it has come again.
    const again = `loopgate_client_retries_total{route="/v1/chat/completions"}`
    while ((await metric(gateway, again)) === 0) await new Promise(setImmediate)
    if (stream) {
      beginStream(call).end(event(delta('once')) + event(finish()) + 'data: [DONE]\n\n')
      t.equal(await reading((await asked) as Chunks), 'once')
    } else {
      const choices = [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'once' } }]
      answerJson(call, 200, { choices })
      t.match(await asked, { choices: [{ message: { content: 'once' } }] })
    }
    t.equal(upstream.calls.length, 1)
  })
}

t.test('openai with an idempotency key repeats what is not deterministic, and pays once', async (t) => {
  const upstream = await scratchUpstream(t, () => {})
  const gateway = await door(t, upstream)
  const { openai } = sdks(gateway, { maxRetries: 3 })
  const headers = { 'idempotency-key': 'a' }
  const asked = openai.chat.completions.create(QUESTION, { timeout: 300, headers })
  const call = await upstream.call(1)
  while ((await metric(gateway, 'loopgate_generation_results_total{result="client_closed"}')) === 0) {
    await new Promise(setImmediate)
  }
  const choices = [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'once' } }]
  answerJson(call, 200, { choices })
  t.match(await asked, { choices: [{ message: { content: 'once' } }] })
  t.match(await openai.chat.completions.create(QUESTION, { headers }), { choices })
  t.equal(upstream.calls.length, 1)
})
