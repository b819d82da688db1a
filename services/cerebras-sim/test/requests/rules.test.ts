import t, { type Test as Tap } from 'tap'
import { ask, kit } from '../kit.ts'

const TOOLS = [{ type: 'function', function: { name: 'run', parameters: { type: 'object' } } }]
const call = (id: string) => ({ id, type: 'function', function: { name: 'run', arguments: '{}' } })

const messageOf = async (t: Tap, body: unknown): Promise<string> => {
  const reply = await kit(t).chat(body)
  t.equal(reply.statusCode, 400, reply.body)
  return reply.json().message
}

t.test('tool messages and tool calls must answer one another, in order and with unique ids', async (t) => {
  const conversation = (...rest: unknown[]) =>
    ask('', { messages: [{ role: 'user', content: 'go' }, ...rest], tools: TOOLS })
  const answer = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'done' })
  const turn = (...ids: string[]) => ({ role: 'assistant', tool_calls: ids.map(call) })

  t.equal((await kit(t).chat(conversation(turn('a', 'b'), answer('b'), answer('a')))).statusCode, 200)
  t.match(await messageOf(t, conversation(turn('a'))), /tool call 'a' .* is not followed/)
  t.match(await messageOf(t, conversation(turn('a', 'b'), answer('a'), { role: 'user', content: 'x' })), /'b'/)
  t.match(await messageOf(t, conversation(answer('a'))), /messages\.1\.tool\.tool_call_id: no preceding tool call/)
  t.match(await messageOf(t, conversation(turn('a'), answer('a'), answer('a'))), /messages\.3/)
  t.match(await messageOf(t, conversation(turn('a'), answer('a'), turn('a'), answer('a'))), /'a' is not unique/)
})

t.test('tool_choice needs tools, and a forced function must be one of them', async (t) => {
  t.match(await messageOf(t, ask('hi', { tool_choice: 'auto' })), /^body\.tool_choice: /)
  t.match(
    await messageOf(t, ask('hi', { tools: TOOLS, tool_choice: { type: 'function', function: { name: 'other' } } })),
    /function 'other'/,
  )
})

t.test('each model takes the efforts of its own', async (t) => {
  const status = async (model: string, reasoning_effort: string) =>
    (await kit(t).chat(ask('hi', { model, reasoning_effort }))).statusCode
  t.equal(await status('gpt-oss-120b', 'none'), 400)
  t.equal(await status('gpt-oss-120b', 'high'), 200)
  t.equal(await status('zai-glm-4.7', 'none'), 200)
  t.equal(await status('zai-glm-4.7', 'low'), 400)
  t.equal(await status('gemma-4-31b', 'none'), 200)
  t.equal(await status('qwen-3.8-27b', 'medium'), 200)
})

t.test('more than one choice or prompt is refused aloud, since the real behaviour is unknown', async (t) => {
  t.equal(await messageOf(t, ask('hi', { n: 2 })), 'body.n: only 1 choice is supported')
  const { text } = kit(t)
  for (const extra of [
    { n: 2 },
    { best_of: 2 },
    { suffix: 'x' },
    { prompt: ['a', 'b'] },
    { return_raw_tokens: true },
  ]) {
    t.equal((await text({ model: 'gpt-oss-120b', prompt: 'x', ...extra })).statusCode, 400, JSON.stringify(extra))
  }
})

t.test('images need a vision model, a data URI and a known type', async (t) => {
  const withImage = (model: string, url: string) =>
    ask('', { model, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] })
  const png = 'data:image/png;base64,iVBORw0KGgo='
  t.equal(await messageOf(t, withImage('gpt-oss-120b', png)), 'Model gpt-oss-120b does not support image inputs')
  t.match(await messageOf(t, withImage('gemma-4-31b', 'https://x/y.png')), /^HTTPS image URLs are not supported/)
  t.equal(await messageOf(t, withImage('gemma-4-31b', 'data:image/gif;base64,AA')), 'Image data could not be decoded')
  t.equal((await kit(t).chat(withImage('gemma-4-31b', png))).statusCode, 200)
})

t.test('a JSON format has its restrictions, told under param response_format', async (t) => {
  const formatError = async (extra: Record<string, unknown>) => {
    const reply = await kit(t).chat(ask('hi', extra))
    t.equal(reply.statusCode, 400)
    t.equal(reply.json().param, 'response_format')
    return reply.json().message
  }
  const strict = (schema: unknown) => ({
    response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } },
  })
  const object = (properties: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
    type: 'object',
    additionalProperties: false,
    properties,
    ...rest,
  })
  await formatError({ response_format: { type: 'json_object' }, stream: true })
  await formatError({ response_format: { type: 'json_object' }, reasoning_format: 'raw' })
  t.equal(
    await formatError(strict(object({ a: { type: 'string', format: 'email' } }))),
    "Invalid fields for schema with types ['string']: {'format'}",
  )
  t.equal(
    await formatError(strict(object({ a: { type: 'array', items: {}, minItems: 1, maxItems: 2 } }))),
    "Invalid fields for schema with types ['array']: {'minItems', 'maxItems'}",
  )
  t.equal(
    await formatError(strict({ ...object({}), allOf: [] })),
    "Extra top level keys found in JSON schema: {'allOf'}.",
  )
  t.match(await formatError(strict({ type: 'array', items: {} })), /root must have type 'object'/)
  t.match(await formatError(strict({ type: 'object', properties: {} })), /'additionalProperties' set to false/)
  t.match(await formatError(strict(object({ a: { description: 'x'.repeat(5000) } }))), /5000 characters/)
  t.match(await formatError(strict(object({ a: { $ref: '#/definitions/b' } }))), /must point into/)
  const recursive = object({ a: { $ref: '#/$defs/b' } }, { $defs: { b: object({ c: { $ref: '#/$defs/b' } }) } })
  t.match(await formatError(strict(recursive)), /recursive/)
  const deep = Array.from({ length: 11 }).reduce<Record<string, unknown>>((inner) => object({ a: inner }), object({}))
  t.match(await formatError(strict(deep)), /depth of 10/)
  const lax = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: recursive } } }
  t.equal((await kit(t).chat(ask('hi', lax))).statusCode, 200, 'without strict the schema is advice')
})
