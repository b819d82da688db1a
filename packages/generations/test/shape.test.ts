import { isDeepStrictEqual } from 'node:util'
import { parseEvent, splitEvents } from '@loopgate/cerebras'
import type { Surface } from '@loopgate/contracts'
import * as fc from 'fast-check'
import t from 'tap'
import { assemble } from '../src/shape/assemble.ts'
import { derive } from '../src/shape/derive.ts'
import { isWorthKeeping } from '../src/shape/recording.ts'
import { chunk, chunksOf, documentOf, event, USAGE } from './kit.ts'

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown
const assembled = (stream: Buffer, surface: Surface = 'chat') => plain(assemble(surface, stream))
const chunksIn = (stream: Buffer) =>
  splitEvents(stream).flatMap((bytes) => {
    const data = parseEvent(bytes)?.data
    return data === undefined || data === '[DONE]' ? [] : [JSON.parse(data) as Record<string, unknown>]
  })

t.test('a recorded stream amounts to the document that the upstream would have given', async (t) => {
  t.strictSame(assembled(Buffer.concat(chunksOf(['Hel', 'lo ', '🌍']))), plain(documentOf('Hello 🌍')))
})

t.test('tool calls are put together by the number that their fragments carry', async (t) => {
  const fragment = (call: object) => event(chunk({ tool_calls: [call] }))
  const stream = Buffer.concat([
    event(chunk({ role: 'assistant' })),
    fragment({ function: { name: 'write', arguments: '' }, type: 'function', id: '049d9b129', index: 3 }),
    fragment({ function: { name: 'read', arguments: '{}' }, type: 'function', id: '8db3b6644', index: 4 }),
    fragment({ function: { arguments: '{"path":' }, type: 'function', index: 3 }),
    fragment({ function: { arguments: '"a.ts"}' }, type: 'function', index: 3 }),
    event(chunk({}, { finish_reason: 'tool_calls' })),
  ])
  const reply = assembled(stream) as { choices: { message: unknown; finish_reason: string }[] }
  t.strictSame(reply.choices[0], {
    finish_reason: 'tool_calls',
    index: 0,
    message: {
      role: 'assistant',
      tool_calls: [
        { function: { name: 'write', arguments: '{"path":"a.ts"}' }, type: 'function', id: '049d9b129' },
        { function: { name: 'read', arguments: '{}' }, type: 'function', id: '8db3b6644' },
      ],
    },
  })
})

t.test('members that nobody has heard of survive, joined as their kind suggests', async (t) => {
  const stream = Buffer.concat([
    event(
      chunk(
        { role: 'assistant', mood: 'cal', trace: [1], audio: { id: 'a', data: 'AB' } },
        { score: 1 },
        { region: 'x' },
      ),
    ),
    event(chunk({ mood: 'm', trace: [2], audio: { data: 'CD' } }, { logprobs: { content: [{ token: 'a' }] } })),
    event(chunk({ content: null }, { logprobs: { content: [{ token: 'b' }] }, finish_reason: 'stop', score: 2 })),
  ])
  const reply = assembled(stream) as Record<string, unknown> & { choices: unknown[] }
  t.equal(reply['region'], 'x')
  t.strictSame(reply.choices[0], {
    score: 2,
    index: 0,
    logprobs: { content: [{ token: 'a' }, { token: 'b' }] },
    finish_reason: 'stop',
    message: { role: 'assistant', mood: 'calm', trace: [1, 2], audio: { id: 'a', data: 'ABCD' }, content: null },
  })
})

t.test('several choices and the text surface come out in order', async (t) => {
  const part = (index: number, text: string, rest = {}) => event({ id: 'cmpl-1', choices: [{ text, index, ...rest }] })
  const stream = Buffer.concat([part(1, 'b'), part(0, 'a'), part(1, 'B', { finish_reason: 'stop' }), part(0, 'A')])
  t.strictSame(assembled(stream, 'text'), {
    id: 'cmpl-1',
    object: 'text_completion',
    choices: [
      { text: 'aA', index: 0 },
      { text: 'bB', index: 1, finish_reason: 'stop' },
    ],
  })
})

t.test('a member named __proto__ changes nothing but itself', async (t) => {
  const stream = Buffer.from(
    'data: {"__proto__":{"polluted":1},"choices":[{"index":0,"delta":{"__proto__":{"x":1}}}]}\n\n',
  )
  assemble('chat', stream)
  derive('chat', JSON.parse('{"__proto__":{"polluted":1},"choices":[{"message":{"__proto__":{"polluted":1}}}]}'))
  t.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

t.test(
  'a document derived into a stream has the text in several chunks and the end as the upstream gives it',
  async (t) => {
    const text = 'añ🚀'.repeat(300)
    const stream = derive('chat', documentOf(text, 'stop', { reasoning: 'because' }))
    const chunks = chunksIn(stream) as {
      choices: { delta: Record<string, string>; finish_reason?: string }[]
      usage?: object
    }[]
    t.ok(chunks.length > 4)
    t.strictSame(chunks[0]?.choices[0]?.delta, { role: 'assistant' })
    t.equal(chunks.map(({ choices }) => choices[0]?.delta['content'] ?? '').join(''), text)
    t.ok(
      chunks.every(({ choices }) => (choices[0]?.delta['content'] ?? '').isWellFormed()),
      'no pair is parted',
    )
    t.match(chunks.at(-1), { choices: [{ delta: {}, finish_reason: 'stop' }], usage: USAGE })
    t.ok(stream.toString().endsWith('data: [DONE]\n\n'))
  },
)

/** Replies with members that nobody has heard of at every level. */
const anything = fc.jsonValue({ maxDepth: 2 }).map(plain)
const name = fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text !== '__proto__')
const members = fc.dictionary(name, anything, { maxKeys: 3 })
const toolCall = fc.record({
  id: fc.string(),
  type: fc.constant('function'),
  function: fc.record({ name: fc.string(), arguments: fc.string() }),
})
const message = fc
  .record(
    {
      role: fc.constant('assistant'),
      content: fc.option(fc.string({ unit: 'binary', maxLength: 600 })),
      reasoning: fc.string({ maxLength: 600 }),
      tool_calls: fc.array(toolCall, { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ['role'] },
  )
  .chain((known) => members.map((rest) => ({ ...rest, ...known })))
const chatReply = fc
  .tuple(fc.array(fc.tuple(members, message), { minLength: 1, maxLength: 3 }), members)
  .map(([choices, rest]) => ({
    ...rest,
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: choices.map(([unknown, message], index) => ({ ...unknown, index, message, finish_reason: 'stop' })),
    usage: USAGE,
  }))
const textReply = fc
  .array(fc.tuple(members, fc.string({ maxLength: 600 })), { minLength: 1, maxLength: 3 })
  .map((choices) => ({
    id: 'cmpl-1',
    object: 'text_completion',
    choices: choices.map(([unknown, text], index) => ({ ...unknown, index, text, finish_reason: 'stop' })),
  }))

for (const [surface, replies] of [
  ['chat', chatReply],
  ['text', textReply],
] as const) {
  t.test(
    `deriving a ${surface} stream and assembling it again gives the same document, whatever it holds`,
    async (t) => {
      fc.assert(
        fc.property(replies as fc.Arbitrary<Record<string, unknown>>, (reply) => {
          const again = assembled(derive(surface, plain(reply) as Record<string, unknown>), surface)
          return isDeepStrictEqual(again, plain(reply))
        }),
        { numRuns: 200 },
      )
      t.pass()
    },
  )
}

const keeps = (bytes: Buffer, kind: 'stream' | 'document', reasons: string[]) =>
  isWorthKeeping('chat', { kind, bytes, usage: null, usageOnly: null }, reasons)

t.test('only an answer that ended by itself is kept', async (t) => {
  const bytes = Buffer.concat(chunksOf(['x']))
  for (const reason of ['stop', 'tool_calls']) t.equal(keeps(bytes, 'stream', [reason]), true, reason)
  for (const reason of ['length', 'content_filter', 'error', 'whatever']) {
    t.equal(keeps(bytes, 'stream', [reason]), false, reason)
    t.equal(keeps(bytes, 'stream', ['stop', reason]), false, `one of two: ${reason}`)
  }
  t.equal(keeps(bytes, 'stream', []), false, 'no reason at all')
})

t.test('tool calls are kept only if their arguments are JSON, in both shapes', async (t) => {
  const calls = (text: string) => [{ id: '1', type: 'function', function: { name: 'f', arguments: text } }]
  for (const [text, kept] of [
    ['{"a":1}', true],
    ['{"a":', false],
    ['', false],
  ] as const) {
    const document = documentOf('', 'tool_calls', { tool_calls: calls(text) })
    t.equal(keeps(Buffer.from(JSON.stringify(document)), 'document', ['tool_calls']), kept, `document: ${text}`)
    t.equal(keeps(derive('chat', document), 'stream', ['tool_calls']), kept, `stream: ${text}`)
  }
})
