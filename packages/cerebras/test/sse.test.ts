import { isDeepStrictEqual } from 'node:util'
import { createParser } from 'eventsource-parser'
import * as fc from 'fast-check'
import t from 'tap'
import { Framer, parseEvent, Scan, splitEvents } from '../src/index.ts'
import { DATA, framed, USAGE } from './recorded.ts'

/** Cuts a stream at the offsets given. */
function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const offsets = [0, ...[...cuts].sort((a, b) => a - b), stream.length]
  return offsets.slice(1).map((end, index) => stream.subarray(offsets[index], end))
}

/** Everything that is known of a stream after it went through framer and scan. */
function through(parts: readonly Buffer[]) {
  const framer = new Framer()
  const blocks: Buffer[] = []
  const scan = new Scan({ append: (bytes) => blocks.push(bytes) })
  let fault: string | null = null
  const block = (bytes: Buffer) => {
    fault ??= scan.feed(bytes)?.message ?? null
  }
  for (const part of parts) framer.push(part, { block })
  const rest = framer.end()
  if (rest !== null) block(rest)
  const bytes = Buffer.concat(blocks)
  return {
    bytes: bytes.toString('latin1'),
    data: splitEvents(bytes).flatMap((event) => parseEvent(event)?.data ?? []),
    facts: scan.facts,
    fault,
  }
}

const FACTS = { finishReasons: ['stop'], usage: USAGE, done: true }

for (const [name, lineEnds] of [
  ['LF', ['\n']],
  ['CRLF', ['\r\n']],
  ['CR', ['\r']],
  ['mixed line ends', ['\n', '\r\n', '\r', '\r', '\r\n', '\n']],
] as const) {
  t.test(`a stream with ${name} cut at any one byte gives the same bytes, events and facts`, async (t) => {
    const stream = framed(lineEnds)
    const whole = { bytes: stream.toString('latin1'), data: [...DATA], facts: FACTS, fault: null }
    for (let cut = 0; cut <= stream.length; cut++) {
      const result = through(pieces(stream, [cut]))
      if (!isDeepStrictEqual(result, whole)) return t.strictSame(result, whole, `cut at ${cut}`)
    }
    t.pass()
  })
}

t.test('a stream cut anywhere and everywhere gives the same events as an independent parser', async (t) => {
  const comment = fc.constantFrom(': keep-alive', ':', 'retry: 100', 'id: 7', 'event: message')
  const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
  const text = fc.string({ unit: fc.constantFrom('a', '"', 'ü', '🚀', ':', ' ', '[', '{', '\ufeff') })
  const event = fc
    .tuple(fc.array(comment, { maxLength: 2 }), fc.array(text, { minLength: 1, maxLength: 3 }), fc.boolean(), lineEnd)
    .map(
      ([comments, lines, space, end]) =>
        [...comments, ...lines.map((line) => `data:${space ? ' ' : ''}${line}`), ''].join(end) + end,
    )
  const stream = fc.array(event, { maxLength: 8 }).map((events) => Buffer.from(events.join('')))
  const cut = stream.chain((bytes) =>
    fc.tuple(fc.constant(bytes), fc.array(fc.nat({ max: bytes.length }), { maxLength: 20 })),
  )
  fc.assert(
    fc.property(cut, ([bytes, cuts]) => {
      const expected: string[] = []
      const parser = createParser({ onEvent: ({ data }) => expected.push(data) })
      parser.feed(bytes.toString('utf8'))
      // A CR at the very end waits in that parser for a possible LF.
      parser.feed('\n\n')
      const { data } = through(pieces(bytes, cuts))
      return JSON.stringify(data) === JSON.stringify(expected)
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('one byte at a time gives the same bytes as the whole at once', async (t) => {
  const stream = framed(['\r\n'])
  t.equal(through([...stream].map((byte) => Buffer.from([byte]))).bytes, stream.toString('latin1'))
})

/** The blocks that each of some pieces completes. */
function blocksOf(framer: Framer, ...parts: string[]): string[][] {
  return parts.map((part) => {
    const blocks: string[] = []
    framer.push(Buffer.from(part), { block: (bytes) => blocks.push(bytes.toString()) })
    return blocks
  })
}

t.test('an event is handed on when it is complete and not before', async (t) => {
  const framer = new Framer()
  t.strictSame(blocksOf(framer, 'data: {"a":', '1}\n', '\ndata: 2\n\ndata: 3'), [
    [],
    [],
    ['data: {"a":1}\n\n', 'data: 2\n\n'],
  ])
  t.equal(framer.end()?.toString(), 'data: 3')
})

t.test('a piece that ends with an event is passed on without a copy', async (t) => {
  const piece = framed()
  new Framer().push(piece, { block: (bytes) => t.equal(bytes, piece) })
})

t.test('[DONE] before any finish reason is a cut stream and is not handed on', async (t) => {
  const before = framed(['\n'], DATA.slice(0, 3))
  const result = through([Buffer.concat([before, framed(['\n'], ['[DONE]'])])])
  t.equal(result.bytes, before.toString('latin1'))
  t.match(result.fault, /before it was complete/)
})

t.test('a stream without a final line end still counts its last event', async (t) => {
  const { facts, data } = through([framed().subarray(0, -2)])
  t.strictSame(facts, FACTS)
  t.strictSame(data, DATA)
})

t.test('an event that never ends is refused at the bound instead of filling the memory', async (t) => {
  const framer = new Framer(100)
  t.strictSame(blocksOf(framer, 'x'.repeat(100)), [[]])
  t.throws(() => blocksOf(framer, 'x'), RangeError)
})

t.test('a finish reason of null on every chunk is no finish', async (t) => {
  const data = [1, 2].map(() => '{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":null}')
  t.strictSame(through([framed(['\n'], data)]).facts, { finishReasons: [], usage: null, done: false })
})

t.test('members spread over several data lines are found', async (t) => {
  const event = 'data: {"choices":[{"delta":{},"finish_reason"\ndata: :\ndata: "length"}]}\n\n'
  t.strictSame(through([Buffer.from(event)]).facts.finishReasons, ['length'])
})

t.test('a chunk of usage without choices is told apart, the finish chunk with usage is not', async (t) => {
  const flags: boolean[] = []
  const scan = new Scan({ append: (_, flag) => flags.push(flag) })
  const usageOnly = `{"choices":[],"usage":${JSON.stringify(USAGE)}}`
  scan.feed(framed(['\n'], [...DATA.slice(-2, -1), usageOnly, '[DONE]']))
  t.strictSame(flags, [false, true, false])
  t.strictSame(scan.facts.usage, USAGE)
})

const error = { message: 'Encountered a server error, please try again.', type: 'server_error', param: '', code: '' }
for (const [name, event] of [
  ['nested with status_code', `data: ${JSON.stringify({ error, status_code: 500 })}\n\n`],
  ['nested', `data: ${JSON.stringify({ error })}\n\n`],
  ['flat', `data: ${JSON.stringify(error)}\n\n`],
  ['a text', `data: ${JSON.stringify({ error: error.message })}\n\n`],
  ['named by its event', `event: error\ndata: ${JSON.stringify({ message: error.message })}\n\n`],
] as const) {
  t.test(`an error in the stream is found when it is ${name}, and what came before is kept`, async (t) => {
    const before = framed(['\n'], DATA.slice(0, 3))
    const result = through([Buffer.concat([before, Buffer.from(event), framed(['\n'], DATA.slice(3))])])
    t.equal(result.fault, error.message)
    t.equal(result.bytes, before.toString('latin1'))
  })
}
