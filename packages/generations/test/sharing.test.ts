import { beginStream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { ask, bench, call, chunk, event, originalOf, streaming, chunksOf } from './kit.ts'

const [ROLE, FIRST, , , FINISH, DONE] = chunksOf(['Hel', 'lo ', '🌍']) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
]

t.test('requests that differ, or that ask for another sample, never share', async (t) => {
  const { generations, server } = await bench(t, streaming())
  const different = [
    call(),
    call({ seed: 1 }),
    call({}, { sampleIndex: 1 }),
    call({}, { tenant: 'globex' }),
    call({ field_of_tomorrow: true }),
    call({ max_tokens: 5 }),
  ]
  const answers = await Promise.all(different.map((asked) => ask(generations, asked)))
  t.equal(server.calls.length, different.length)
  t.equal(new Set(answers.map(({ generation }) => generation.key)).size, different.length)
  t.equal(
    (await ask(generations, call({}, { sampleIndex: 0 }))).generation.outcome,
    'hit',
    'no sample named is sample 0',
  )
})

const bypassed = [
  ['temperature above 0', call({ temperature: 0.8 })],
  ['temperature null', call({ temperature: null })],
  ['seed null', call({ temperature: 0.8, seed: null })],
  ['no temperature', call({ temperature: undefined })],
  ['n above 1', call({ n: 2 })],
  ['no-store', call({}, { noStore: true, sampleIndex: 3 })],
  ['a queue threshold', call({}, { headers: { queue_threshold: '500' } })],
] as const
for (const [name, asked] of bypassed) {
  t.test(`${name}: the call goes straight through, each time anew`, async (t) => {
    const { generations, server } = await bench(t, streaming(), { redis: null })
    const stream = { ...asked, body: { ...asked.body, stream: true } }
    const answers = await Promise.all([ask(generations, stream), ask(generations, stream), ask(generations, asked)])
    t.equal(server.calls.length, 3)
    for (const { generation, content } of answers) {
      t.match(generation, { outcome: 'bypass', key: null, attempts: 1, ageSeconds: null })
      t.equal(content, 'Hello 🌍')
    }
  })
}

t.test('temperature above 0 is shared when a seed or a sample is given', async (t) => {
  const { generations, server } = await bench(t, streaming(), { redis: null })
  for (const asked of [call({ temperature: 0.8, seed: 0 }), call({ temperature: 0.8 }, { sampleIndex: 7 })]) {
    t.equal((await ask(generations, asked)).generation.outcome, 'miss')
    t.equal((await ask(generations, asked)).generation.outcome, 'hit')
  }
  t.equal(server.calls.length, 2)
})

t.test('what is not shared goes upstream as it came and comes back as it came', async (t) => {
  const sent = '{ "model": "m",\n "temperature": 0.9, "stream": true, "model": "m" }'
  const reply = Buffer.from(
    `: comment\r\n\r\ndata:${JSON.stringify(chunk({ content: 'é' }, { finish_reason: 'stop' }))}\r\n\r\n`,
  )
  const { generations, server } = await bench(t, (scratch) => beginStream(scratch).end(reply))
  const { text } = await ask(generations, call({ stream: true, temperature: 0.9 }, { original: originalOf(sent) }))
  t.equal(server.calls[0]?.text, sent)
  t.equal(text, reply.toString())
})

t.test('what is shared is written anew from what its key was made of, and asks for usage', async (t) => {
  const { generations, server } = await bench(t, streaming())
  const body = { stream: true, stream_options: { include_usage: false } }
  await ask(generations, call(body, { original: originalOf('{"model":"other","model":"m"}') }))
  t.strictSame(server.calls[0]?.body, { ...call(body).body, stream_options: { include_usage: true } })
})

t.test('a chunk with nothing but usage reaches only those who asked for usage, live and replayed', async (t) => {
  const usageOnly = event({
    id: 'chatcmpl-1',
    choices: [],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  })
  const { generations, server } = await bench(t, (scratch) =>
    beginStream(scratch).end(Buffer.concat([ROLE, FIRST, FINISH, usageOnly, DONE])),
  )
  const wanted = call({ stream: true, stream_options: { include_usage: true } })
  const unwanted = call({ stream: true })
  for (const outcome of ['live', 'replayed']) {
    const [withUsage, without] = await Promise.all([ask(generations, wanted), ask(generations, unwanted)])
    t.ok(withUsage?.text.includes(usageOnly.toString()), outcome)
    t.equal(without?.text, Buffer.concat([ROLE, FIRST, FINISH, DONE]).toString(), outcome)
  }
  t.equal(server.calls.length, 1)
})
