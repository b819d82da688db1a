import { beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { ask, bench, call, chunk, chunksOf, dataOf, event } from './kit.ts'

/** A short stream with a character of four bytes, so that it can be cut at every one of its bytes. */
const STREAM = Buffer.concat([
  event({ choices: [{ index: 0, delta: { content: '🚀' } }] }),
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 1 } }),
  Buffer.from('data: [DONE]\n\n'),
])
/** From here on the finish reason has been said in a whole event, with or without its blank line. */
const FINISHED_AT = STREAM.indexOf('data: [DONE]') - '\n\n'.length

const clean = ({ response }: ScratchCall, bytes: Buffer) => response.end(bytes)
const reset = ({ response }: ScratchCall, bytes: Buffer) =>
  bytes.length === 0
    ? response.req.socket.resetAndDestroy()
    : response.write(bytes, () => response.req.socket.resetAndDestroy())

for (const [name, cutOff, wholeFrom] of [
  // An end in order: the finish reason is what matters, `[DONE]` may be missing.
  ['ends', clean, FINISHED_AT],
  // A reset: only `[DONE]` proves that nothing is missing.
  ['is reset', reset, STREAM.length],
] as const) {
  t.test(`a reply that ${name} at any byte is either whole or an error, and only whole ones are kept`, async (t) => {
    let cut = 0
    let whole = false
    const { generations, server } = await bench(
      t,
      (scratch) => {
        if (whole) return beginStream(scratch).end(STREAM)
        beginStream(scratch)
        cutOff(scratch, STREAM.subarray(0, cut))
      },
      { redis: null },
    )
    for (cut = 0; cut <= STREAM.length; cut++) {
      const sampleIndex = cut
      const asked = call({ stream: cut % 2 === 0 }, { sampleIndex })
      const got = await ask(generations, asked).catch((error: Error & { openaiCode?: string }) => error)
      const expectWhole = cut >= wholeFrom
      const failed = got instanceof Error || got.text.includes('"finish_reason":"error"')
      if (failed === expectWhole) t.fail(`cut at ${cut}: ${got instanceof Error ? got.message : got.text}`)
      if (!(got instanceof Error) && failed && got.text.includes('[DONE]'))
        t.fail(`[DONE] after an error, cut at ${cut}`)
      whole = true
      const { generation } = await ask(generations, asked)
      whole = false
      if (generation.outcome !== (expectWhole ? 'hit' : 'miss')) t.fail(`cut at ${cut}: then ${generation.outcome}`)
    }
    t.equal(server.calls.length, STREAM.length + 1 + wholeFrom)
  })
}

t.test('what the gateway passes on of a cut stream is always whole events', async (t) => {
  let cut = 0
  const bytes = Buffer.concat(chunksOf(['a', 'b']))
  const { generations } = await bench(t, (scratch) => beginStream(scratch).end(bytes.subarray(0, cut)), { redis: null })
  for (cut = 1; cut < bytes.length; cut += 7) {
    const got = await ask(generations, call({ stream: true }, { sampleIndex: cut })).catch(() => null)
    for (const data of dataOf(got?.text ?? ''))
      if (data !== '[DONE]') t.doesNotThrow(() => JSON.parse(data), `cut at ${cut}`)
  }
})

t.test('a stream that comes byte by byte is passed on, kept and replayed byte for byte', async (t) => {
  const { generations } = await bench(t, async (scratch) => {
    const response = beginStream(scratch)
    response.req.socket.setNoDelay(true)
    for (const byte of STREAM) {
      response.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    response.end()
  })
  const live = await ask(generations, call({ stream: true }))
  const replayed = await ask(generations, call({ stream: true }))
  t.equal(live.text, STREAM.toString())
  t.equal(replayed.text, STREAM.toString())
  t.equal(replayed.generation.outcome, 'hit')
})

for (const finish of ['length', 'content_filter', 'error']) {
  t.test(`an answer that ended with ${finish} is given but never kept, in either shape`, async (t) => {
    const { generations, server } = await bench(t, (scratch) => {
      if (scratch.body['stream'] === true) return beginStream(scratch).end(Buffer.concat(chunksOf(['x'], finish)))
      const choice = { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: finish }
      scratch.response.end(JSON.stringify({ choices: [choice] }))
    })
    for (const stream of [true, true, false, false]) {
      t.match(await ask(generations, call({ stream })), { content: 'x', generation: { outcome: 'miss' } })
    }
    t.equal(server.calls.length, 4)
  })
}

t.test('tool calls whose arguments are no JSON are given but not kept', async (t) => {
  const toolCall = (text: string) => ({
    tool_calls: [{ index: 0, id: '1', type: 'function', function: { name: 'f', arguments: text } }],
  })
  const { generations } = await bench(t, (scratch) => {
    const broken = scratch.serial === 1
    const finish = event(chunk({}, { finish_reason: 'tool_calls' }))
    beginStream(scratch).end(Buffer.concat([event(chunk(toolCall(broken ? '{"a":' : '{"a":1}'))), finish]))
  })
  const outcomes = []
  for (const _ of [1, 2, 3]) outcomes.push((await ask(generations, call({ stream: true }))).generation.outcome)
  t.strictSame(outcomes, ['miss', 'miss', 'hit'])
})
