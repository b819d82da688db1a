import t from 'tap'
import { ask, chunksOf, contentOf, kit } from '../kit.ts'

type Reply = {
  choices: Array<{ finish_reason: string; message: { content?: string } }>
  usage: { completion_tokens: number }
}

t.test('the same body gets the same content, another seed another one', async (t) => {
  const { chat } = kit(t)
  const content = async (extra: Record<string, unknown>) =>
    (await chat(ask('Write something.', extra))).json<Reply>().choices[0]?.message.content
  t.equal(await content({ seed: 4 }), await content({ seed: 4 }))
  t.equal(await content({}), await content({ seed: 0 }))
  t.not(await content({ seed: 4 }), await content({ seed: 5 }))
  t.not(await content({ seed: 4 }), await content({ seed: 4, model: 'gemma-4-31b' }))
})

t.test('two simulators agree, but for the serial number and the clock', async (t) => {
  const body = ask('Write something.', { seed: 9 })
  const [one, two] = [kit(t), kit(t)]
  t.equal((await one.chat(body)).body, (await two.chat(body)).body)
  t.not((await one.chat(body)).json().id, (await one.chat(body)).json().id, 'an id is never given twice')
})

t.test('a smaller budget gives a prefix of what a larger one gives, and says length', async (t) => {
  const { chat } = kit(t)
  const reply = async (extra: Record<string, unknown>) => (await chat(ask('Write.', extra))).json<Reply>()
  const whole = await reply({})
  const text = whole.choices[0]?.message.content ?? ''
  t.equal(whole.choices[0]?.finish_reason, 'stop')
  for (const name of ['max_completion_tokens', 'max_tokens']) {
    for (let tokens = 1; tokens < whole.usage.completion_tokens; tokens += 7) {
      const cut = await reply({ [name]: tokens })
      t.equal(cut.choices[0]?.finish_reason, 'length')
      t.equal(cut.usage.completion_tokens, tokens)
      t.ok(text.startsWith(cut.choices[0]?.message.content ?? 'nothing'))
    }
    const exact = await reply({ [name]: whole.usage.completion_tokens })
    t.equal(exact.choices[0]?.finish_reason, 'stop')
  }
  for (const unbounded of [-1, 0, null])
    t.strictSame((await reply({ max_completion_tokens: unbounded })).choices, whole.choices)
})

t.test('min_completion_tokens makes the answer as long as asked', async (t) => {
  const { chat } = kit(t)
  const reply = (await chat(ask('Write.', { min_completion_tokens: 3000 }))).json<Reply>()
  t.ok(reply.usage.completion_tokens >= 3000)
  const capped = (await chat(ask('Write.', { min_completion_tokens: 3000, max_completion_tokens: 50 }))).json<Reply>()
  t.equal(capped.usage.completion_tokens, 50)
})

t.test('the text ends before the first stop sequence, which is not returned', async (t) => {
  const { chat } = kit(t)
  const whole = (await chat(ask('Write.'))).json<Reply>().choices[0]?.message.content ?? ''
  for (const stop of ['\n', ['zzz', 'return', '{']]) {
    const reply = (await chat(ask('Write.', { stop }))).json<Reply>()
    const places = [stop]
      .flat()
      .map((word) => whole.indexOf(word))
      .filter((place) => place !== -1)
    t.equal(reply.choices[0]?.message.content, whole.slice(0, Math.min(...places)))
    t.equal(reply.choices[0]?.finish_reason, 'stop')
  }
})

t.test('thinking comes when an effort is asked for, in the place the format says', async (t) => {
  const { chat } = kit(t)
  const message = async (extra: Record<string, unknown>) => {
    const reply = (await chat(ask('Write.', extra))).json()
    return { ...reply.choices[0].message, thought: reply.usage.completion_tokens_details.reasoning_tokens }
  }
  const plain = await message({})
  t.notOk('reasoning' in plain)
  t.equal(plain.thought, 0)
  const parsed = await message({ reasoning_effort: 'medium', reasoning_format: 'parsed' })
  t.ok(parsed.reasoning.length > 0)
  t.ok(parsed.thought > 0)
  t.equal(parsed.content, plain.content)
  t.strictSame(await message({ reasoning_effort: 'medium' }), parsed, 'parsed is the default')
  const hidden = await message({ reasoning_effort: 'medium', reasoning_format: 'hidden' })
  t.notOk('reasoning' in hidden)
  t.equal(hidden.thought, parsed.thought, 'hidden thinking is still counted')
  const raw = await message({ reasoning_effort: 'medium', reasoning_format: 'raw' })
  t.equal(raw.content, parsed.reasoning + parsed.content, 'gpt-oss has no separator')
  const tagged = await message({ model: 'qwen-3.8-27b', reasoning_effort: 'low', reasoning_format: 'raw' })
  t.match(tagged.content, /^<think>.+<\/think>/s)
  const high = await message({ reasoning_effort: 'high' })
  t.ok(high.thought > parsed.thought)
})

t.test('thinking that eats the budget leaves no content at all, streamed or not', async (t) => {
  const { chat } = kit(t)
  const body = ask('Write.', { reasoning_effort: 'high', max_completion_tokens: 10 })
  const reply = (await chat(body)).json()
  t.equal(reply.choices[0].finish_reason, 'length')
  t.notOk('content' in reply.choices[0].message)
  t.equal(reply.usage.completion_tokens, 10)
  const chunks = chunksOf((await chat({ ...body, stream: true })).body)
  t.equal(contentOf(chunks), '')
  t.equal(chunks.map((chunk) => chunk.choices[0]?.delta.reasoning ?? '').join(''), reply.choices[0].message.reasoning)
})
