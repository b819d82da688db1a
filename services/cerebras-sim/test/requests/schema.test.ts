import t from 'tap'
import { ask, kit } from '../kit.ts'

t.test('unknown fields of a chat request are refused at any depth, each on a line of its own', async (t) => {
  const { chat } = kit(t)
  const refused = async (body: unknown) => {
    const reply = await chat(body)
    t.equal(reply.statusCode, 400, JSON.stringify(body).slice(0, 100))
    const { message, ...rest } = reply.json()
    t.strictSame(rest, { type: 'invalid_request_error', param: 'validation_error', code: 'wrong_api_format' })
    return message
  }
  const unsupported = (...places: string[]) =>
    places.map((place) => `${place}: property '${place}' is unsupported`).join('\n')

  t.equal(await refused(ask('hi', { store: true })), "body.store: property 'body.store' is unsupported")
  t.equal(await refused(ask('hi', { maxTokens: 5, thinking: {} })), unsupported('body.maxTokens', 'body.thinking'))
  for (const name of [
    'metadata',
    'functions',
    'function_call',
    'modalities',
    'audio',
    'verbosity',
    'top_k',
    'min_p',
    'safety_identifier',
    'reasoning',
    'extra_body',
    'web_search_options',
    'repetition_penalty',
  ]) {
    t.equal(await refused(ask('hi', { [name]: null })), unsupported(`body.${name}`))
  }
  t.equal(
    await refused({
      model: 'gpt-oss-120b',
      messages: [
        { role: 'user', content: 'a', cache_control: {} },
        { role: 'assistant', content: 'b', reasoning_content: 'c', refusal: null },
        { role: 'user', content: [{ type: 'text', text: 'd', annotations: [] }] },
      ],
    }),
    unsupported(
      'messages.0.user.cache_control',
      'messages.1.assistant.reasoning_content',
      'messages.1.assistant.refusal',
      'messages.2.user.content.0.annotations',
    ),
  )
  t.equal(
    await refused(ask('hi', { stream_options: { include_usage: true, include_obfuscation: false } })),
    unsupported('body.stream_options.include_obfuscation'),
  )
  t.equal(
    await refused(ask('hi', { tools: [{ type: 'function', function: { name: 'f', x: 1 }, y: 2 }] })),
    unsupported('body.tools.0.function.x', 'body.tools.0.y'),
  )
  t.equal(
    await refused(ask('hi', { response_format: { type: 'json_object', schema: {} } })),
    unsupported('body.response_format.schema'),
  )
  t.equal(
    await refused(ask('hi', { prediction: { type: 'content', content: 'x', z: 1 } })),
    unsupported('body.prediction.z'),
  )
})

t.test('a field of the wrong kind or out of bounds is named with what it should be', async (t) => {
  const { chat } = kit(t)
  for (const [body, expected] of [
    [{ messages: [{ role: 'user', content: 'hi' }] }, 'body.model: Field required'],
    [{ model: 'gpt-oss-120b' }, 'body.messages: Field required'],
    [ask('hi', { messages: [] }), 'body.messages: List should have at least 1 item after validation, not 0'],
    [ask('hi', { messages: 'hi' }), 'body.messages: Input should be a valid list'],
    [
      ask('hi', { messages: [{ role: 'system', content: 3 }] }),
      'messages.0.system.content: Input should be a valid string',
    ],
    [ask('hi', { messages: [{ role: 'user' }] }), 'messages.0.user.content: Field required'],
    [ask('hi', { messages: [{ content: 'x' }] }), "messages.0: Unable to extract tag using discriminator 'role'"],
    [
      ask('hi', { messages: [{ role: 'robot', content: 'x' }] }),
      "messages.0: Input tag 'robot' found using 'role' does not match any of the expected tags: 'system', 'developer', 'user', 'assistant', 'tool'",
    ],
    [ask('hi', { temperature: 3 }), 'body.temperature: Input should be less than or equal to 2'],
    [ask('hi', { temperature: -1 }), 'body.temperature: Input should be greater than or equal to 0'],
    [ask('hi', { temperature: 'hot' }), 'body.temperature: Input should be a valid number'],
    [ask('hi', { max_completion_tokens: 1.5 }), 'body.max_completion_tokens: Input should be a valid integer'],
    [ask('hi', { seed: 0.5 }), 'body.seed: Input should be a valid integer'],
    [ask('hi', { stream: 'yes' }), 'body.stream: Input should be a valid boolean'],
    [
      ask('hi', { stop: ['a', 'b', 'c', 'd', 'e'] }),
      'body.stop: List should have at most 4 items after validation, not 5',
    ],
    [
      ask('hi', { reasoning_effort: 'max' }),
      "body.reasoning_effort: Input should be 'none', 'low', 'medium' or 'high'",
    ],
    [
      ask('hi', { prompt_cache_key: 'k'.repeat(1025) }),
      'body.prompt_cache_key: String should have at most 1024 characters',
    ],
    [[], 'body: Input should be a valid dictionary or object to extract fields from'],
  ] as const) {
    const reply = await chat(body)
    t.equal(reply.statusCode, 400)
    t.equal(reply.json().message, expected)
  }
})

t.test('null is taken for every optional field of a chat request but reasoning_format', async (t) => {
  const { chat } = kit(t)
  const nullable = [
    'max_completion_tokens',
    'max_tokens',
    'min_completion_tokens',
    'min_tokens',
    'temperature',
    'top_p',
    'frequency_penalty',
    'presence_penalty',
    'logit_bias',
    'logprobs',
    'top_logprobs',
    'n',
    'seed',
    'stop',
    'stream',
    'stream_options',
    'response_format',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'reasoning_effort',
    'disable_reasoning',
    'clear_thinking',
    'prediction',
    'prompt_cache_key',
    'service_tier',
    'model_parameters',
    'user',
  ]
  const reply = await chat(ask('hi', Object.fromEntries(nullable.map((name) => [name, null]))))
  t.equal(reply.statusCode, 200, reply.body)
  const refused = await chat(ask('hi', { reasoning_format: null }))
  t.equal(refused.statusCode, 400)
  t.match(refused.json().message, /^body\.reasoning_format: /)
})

t.test('seeds of any size are whole numbers like any other', async (t) => {
  const { chat } = kit(t)
  for (const seed of [-7, 0, 2 ** 53, 2 ** 60]) t.equal((await chat(ask('hi', { seed }))).statusCode, 200)
})

t.test('a text completion has a closed schema of its own, without max_completion_tokens', async (t) => {
  const { text } = kit(t)
  t.equal((await text({ model: 'gpt-oss-120b', prompt: 'x', max_tokens: 5 })).statusCode, 200)
  const reply = await text({ model: 'gpt-oss-120b', prompt: 'x', max_completion_tokens: 5 })
  t.equal(reply.json().message, "body.max_completion_tokens: property 'body.max_completion_tokens' is unsupported")
  t.equal((await text({ model: 'gpt-oss-120b' })).json().message, 'body.prompt: Field required')
  for (const prompt of ['x', ['x'], [1, 2], [[1, 2]]]) {
    t.equal((await text({ model: 'gpt-oss-120b', prompt })).statusCode, 200, JSON.stringify(prompt))
  }
})
