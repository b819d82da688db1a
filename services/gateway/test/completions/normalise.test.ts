import t from 'tap'
import { normalise } from '../../src/completions/normalise/normalise.ts'
import { RULES } from '../../src/completions/normalise/table.ts'

type Body = Record<string, unknown>
const chat = (body: Body): Body => ({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...body })

/** What becomes of a body, and what the caller is told. */
function through(body: Body, surface: 'chat' | 'text' = 'chat') {
  const copy = structuredClone(body)
  const told = normalise(surface, copy, false)
  return { body: copy, told }
}

t.test('a body with nothing to remove is left alone, unknown fields included', async (t) => {
  const body = chat({ field_of_tomorrow: { store: true }, tools: [{ type: 'function', function: { name: 'store' } }] })
  t.strictSame(through(body), { body, told: [] })
})

t.test(
  'every field of the table is acted upon where it stands, told by its path, and gone from the body',
  async (t) => {
    for (const rule of RULES) {
      const surface = rule.surface ?? 'chat'
      const steps = rule.path.split('.')
      const name = steps.at(-1) ?? ''
      const fields: Body = { [name]: rule.onlyEmpty === true ? null : 'value', role: 'user' }
      const body = steps
        .slice(0, -1)
        .reduceRight<unknown>((inner, step) => (step === '*' ? [{}, inner] : { [step]: inner }), fields)
      const { told, body: after } = through(body as Body, surface)
      t.strictSame(told, [rule.path], rule.path)
      if (name !== 'content') t.notMatch(JSON.stringify(after), `"${name}":`, rule.path)
      t.throws(
        () => normalise(surface, structuredClone(body) as Body, true),
        { code: 'LG_FIELD_REFUSED', statusCode: 400, param: rule.path.replaceAll('*', '1') },
        `strict: ${rule.path}`,
      )
    }
  },
)

const conversions: ReadonlyArray<readonly [name: string, before: Body, after: Body, told: string[]]> = [
  ['another name', { maxTokens: 5, topP: 0.5 }, { max_tokens: 5, top_p: 0.5 }, ['maxTokens', 'topP']],
  ['another name does not overwrite', { maxTokens: 5, max_tokens: 7 }, { max_tokens: 7 }, ['maxTokens']],
  [
    'functions become tools',
    { functions: [{ name: 'f' }] },
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    ['functions'],
  ],
  ['no functions become nothing', { functions: [], function_call: null }, {}, ['functions', 'function_call']],
  ['a choice of function by word', { function_call: 'auto' }, { tool_choice: 'auto' }, ['function_call']],
  [
    'a choice of function by name',
    { function_call: { name: 'f' } },
    { tool_choice: { type: 'function', function: { name: 'f' } } },
    ['function_call'],
  ],
  ['reasoning effort', { reasoning: { effort: 'low' } }, { reasoning_effort: 'low' }, ['reasoning']],
  [
    'obfuscation',
    { stream_options: { include_usage: true, include_obfuscation: false } },
    { stream_options: { include_usage: true } },
    ['stream_options.include_obfuscation'],
  ],
]
for (const [name, before, after, told] of conversions) {
  t.test(`converted: ${name}`, async (t) => {
    t.strictSame(through(chat(before)), { body: chat(after), told: [...told].sort() })
  })
}

t.test('an assistant message as OpenAI gives it can be sent back', async (t) => {
  const given = {
    role: 'assistant',
    content: null,
    refusal: null,
    annotations: [],
    audio: null,
    function_call: null,
    tool_calls: null,
    reasoning_content: 'so',
  }
  const { body, told } = through({ messages: [given] })
  t.strictSame(body, { messages: [{ role: 'assistant', content: null, reasoning: 'so' }] })
  t.equal(told.length, 6)
})

t.test('content of null is text of nothing except where the assistant may have none', async (t) => {
  const roles = (content: unknown) => ['user', 'system', 'tool', 'assistant'].map((role) => ({ role, content }))
  const { body } = through({ messages: roles(null) })
  t.strictSame(body, { messages: [...roles('').slice(0, 3), { role: 'assistant', content: null }] })
})

t.test('a function call that is there is not lost in silence', async (t) => {
  const body = { messages: [{ role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } }] }
  t.strictSame(through(body), { body, told: [] })
})

t.test('the text surface has max_tokens only, the chat surface keeps both', async (t) => {
  const body = { model: 'm', prompt: 'x', max_completion_tokens: 5 }
  t.strictSame(through(body, 'text').body, { model: 'm', prompt: 'x', max_tokens: 5 })
  t.strictSame(through(chat({ max_completion_tokens: 5 })).told, [])
})

t.test('lists where objects were expected, and the reverse, do no harm', async (t) => {
  for (const odd of [
    { messages: 'x' },
    { messages: [null, 1, [{ refusal: 1 }]] },
    { tools: { 0: {} } },
    { stream_options: [] },
  ]) {
    t.strictSame(through(odd), { body: odd, told: [] })
  }
})
