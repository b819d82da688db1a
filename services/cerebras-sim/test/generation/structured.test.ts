import t from 'tap'
import { ask, chunksOf, contentOf, kit } from '../kit.ts'

const VERDICT = {
  type: 'object',
  additionalProperties: false,
  required: ['ship', 'why', 'score', 'kind', 'next', 'parts'],
  properties: {
    ship: { type: 'boolean' },
    why: { type: 'string' },
    score: { type: 'integer', minimum: 3, maximum: 9 },
    kind: { enum: ['good', 'bad'] },
    next: { anyOf: [{ type: 'null' }, { type: 'string' }] },
    parts: { type: 'array', items: { $ref: '#/$defs/part' } },
    note: { type: 'string' },
  },
  $defs: {
    part: { type: 'object', additionalProperties: false, required: ['id'], properties: { id: { type: 'number' } } },
  },
}

t.test('a JSON schema is answered with its smallest instance, streamed or not', async (t) => {
  const { chat } = kit(t)
  const body = ask('Judge.', {
    response_format: { type: 'json_schema', json_schema: { name: 'verdict', strict: true, schema: VERDICT } },
  })
  const reply = (await chat(body)).json()
  t.equal(reply.choices[0].finish_reason, 'stop')
  t.strictSame(JSON.parse(reply.choices[0].message.content), {
    ship: true,
    why: 'text',
    score: 3,
    kind: 'good',
    next: null,
    parts: [],
  })
  t.equal(contentOf(chunksOf((await chat({ ...body, stream: true })).body)), reply.choices[0].message.content)
  const cut = (await chat({ ...body, max_completion_tokens: 3 })).json()
  t.equal(cut.choices[0].finish_reason, 'length')
  t.throws(() => JSON.parse(cut.choices[0].message.content) as unknown, 'cut off, it is no JSON')
})

t.test('a JSON object is asked for without a schema', async (t) => {
  const reply = (await kit(t).chat(ask('Judge.', { response_format: { type: 'json_object' } }))).json()
  t.type(JSON.parse(reply.choices[0].message.content), 'object')
})

const TOOLS = [
  { type: 'function', function: { name: 'read_file', parameters: { type: 'object', properties: {} } } },
  {
    type: 'function',
    function: {
      name: 'write_file',
      parameters: {
        type: 'object',
        required: ['path', 'lines'],
        properties: { path: { type: 'string' }, lines: { type: 'array', minItems: 40, items: { type: 'integer' } } },
      },
    },
  },
]
const forced = { type: 'function', function: { name: 'write_file' } }

t.test('a forced tool is called with arguments that fit its schema; content is missing, not null', async (t) => {
  const { chat } = kit(t)
  const reply = (await chat(ask('go', { tools: TOOLS, tool_choice: forced }))).json()
  const { message, finish_reason: finish } = reply.choices[0]
  t.equal(finish, 'tool_calls')
  t.notOk('content' in message)
  t.match(message.tool_calls[0].id, /^[0-9a-f]{9}$/)
  t.strictSame(Object.keys(message.tool_calls[0]), ['function', 'id', 'type'])
  t.equal(message.tool_calls[0].function.name, 'write_file')
  t.strictSame(JSON.parse(message.tool_calls[0].function.arguments), {
    path: 'text',
    lines: Array.from({ length: 40 }, () => 0),
  })
  const required = (await chat(ask('go', { tools: TOOLS, tool_choice: 'required' }))).json()
  t.equal(required.choices[0].message.tool_calls[0].function.name, 'read_file')
})

t.test('tools on offer are not called unless one must be', async (t) => {
  const { chat } = kit(t)
  for (const choice of [undefined, null, 'auto', 'none']) {
    const reply = (
      await chat(ask('go', { tools: TOOLS, ...(choice === undefined ? {} : { tool_choice: choice }) }))
    ).json()
    t.equal(reply.choices[0].finish_reason, 'stop')
    t.notOk('tool_calls' in reply.choices[0].message)
  }
})

t.test('gpt-oss streams a call in fragments, GLM in one piece; together they are the whole', async (t) => {
  const { chat } = kit(t)
  const fragments = async (model: string) => {
    const body = ask('go', { model, tools: TOOLS, tool_choice: forced })
    const whole = (await chat(body)).json().choices[0].message.tool_calls[0]
    const chunks = chunksOf((await chat({ ...body, stream: true })).body)
    const found = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])
    t.equal(found.map((fragment) => fragment.function.arguments).join(''), whole.function.arguments)
    t.equal(found[0]?.id, whole.id)
    t.equal(found[0]?.function.name, 'write_file')
    t.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'tool_calls')
    return found
  }
  const many = await fragments('gpt-oss-120b')
  t.ok(many.length > 2)
  t.strictSame(Object.keys(many[0] ?? {}), ['function', 'type', 'id', 'index'])
  t.equal(many[0]?.function.arguments, '')
  t.strictSame(Object.keys(many[1] ?? {}), ['function', 'type', 'index'])
  t.equal((await fragments('zai-glm-4.7')).length, 1)
})
