import { createHash } from 'node:crypto'
import { manualClock } from '@loopgate/testkit/clock'
import { gateway } from '@loopgate/testkit/gateway'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { door, metric, post, QUESTION } from '../completions/kit.ts'
import { until } from '../kit/http.ts'
import { answer, contentOf, dataOf, delta, DONE, event, finish, STREAM, TEXT, USAGE } from './kit.ts'

const SHARED = { ...QUESTION, temperature: 0, stream: true }
const BYPASS = { ...QUESTION, stream: true }

async function opened(t: Test, reply: (call: ScratchCall) => unknown) {
  const upstream = await scratchUpstream(t, reply)
  return { upstream, gate: await door(t, upstream) }
}

const results = (gate: Parameters<typeof metric>[0], result: string) =>
  metric(gate, `loopgate_generation_results_total{result="${result}"}`)

/** Writes pieces so that each is read on its own, as far as TCP lets one say so. */
async function inPieces({ response }: ScratchCall, pieces: readonly Buffer[]): Promise<void> {
  response.req.socket.setNoDelay(true)
  for (const piece of pieces) {
    response.write(piece)
    await new Promise(setImmediate)
  }
  response.end()
}

t.test('an upstream that dies before its first byte is a 502, in the words of no upstream', async (t) => {
  const { gate, upstream } = await opened(t, ({ response }) => response.req.socket.destroy())
  for (const body of [SHARED, BYPASS]) {
    const reply = await post(gate, body)
    t.equal(reply.status, 502)
    t.match(reply.json, { error: { code: /^upstream_/ } })
  }
  t.ok(upstream.calls.length >= 2)
})

for (const body of [SHARED, BYPASS]) {
  const kind = body === SHARED ? 'shared' : 'bypassed'
  t.test(
    `${kind}: an upstream that dies in mid-stream is an error in band, no [DONE] follows and nothing is stored`,
    async (t) => {
      const { gate, upstream } = await opened(t, (call) => {
        beginStream(call).write(delta('Hel'), () => call.response.req.socket.resetAndDestroy())
      })
      for (const turn of [1, 2]) {
        const { text } = await post(gate, body)
        t.match(text, '"finish_reason":"error"')
        t.notMatch(text, '[DONE]')
        t.equal(upstream.calls.length, turn)
      }
      t.equal(await results(gate, 'upstream_truncated'), 2)
    },
  )

  t.test(
    `${kind}: a reply that ends in the middle of a chunk, or without a finish reason, is told as truncated`,
    async (t) => {
      const halves = [delta('Hel') + delta('lo').slice(0, 25), delta('Hel'), delta('Hel') + DONE, '']
      const { gate } = await opened(t, (call) => beginStream(call).end(halves[call.serial - 1]))
      for (const half of halves) {
        const { text, status } = await post(gate, body)
        if (half === '') t.equal(status, 502)
        else t.match(text, /"finish_reason":"error".*"code":"upstream_truncated"/)
        t.notMatch(text, '"finish_reason":"stop"')
      }
      t.equal(await results(gate, 'upstream_truncated'), halves.length)
    },
  )

  t.test(
    `${kind}: what fails after three chunks is not tried again, so no caller gets two attempts in one`,
    async (t) => {
      const { gate, upstream } = await opened(t, (call) => {
        const said = ['a', 'b', 'c'].map((letter) => delta(`${letter}${call.serial}`)).join('')
        beginStream(call).write(said, () => call.response.req.socket.resetAndDestroy())
      })
      const { text } = await post(gate, body)
      t.match(text, /a1.*b1.*c1.*"error"/s)
      t.equal(upstream.calls.length, 1)
    },
  )
}

t.test('an error of the upstream reads the same in a stream as in a document', async (t) => {
  const error = {
    message: 'The schema is too deep',
    type: 'invalid_request_error',
    code: 'wrong_api_format',
    param: 'response_format',
  }
  const { gate } = await opened(t, (call) => answerJson(call, 400, error))
  const [whole, streamed] = [await post(gate, { ...BYPASS, stream: false }), await post(gate, BYPASS)]
  t.strictSame(streamed.json, whole.json)
  t.match(whole.json, { ...error, error })
  const inBand = await opened(t, (call) => beginStream(call).end(delta('x') + event({ error, status_code: 400 })))
  const last = JSON.parse(dataOf((await post(inBand.gate, BYPASS)).text).at(-1) ?? '') as Record<string, unknown>
  t.match(last['error'], { message: error.message, code: error.code })
})

t.test('a stream cut in two at any byte comes out as it went in, and its usage is counted', async (t) => {
  const bytes = Buffer.from(STREAM)
  const { gate } = await opened(t, (call) => {
    const cut = Number(call.body['cut'])
    beginStream(call)
    void inPieces(call, [bytes.subarray(0, cut), bytes.subarray(cut)])
  })
  const wrong: number[] = []
  for (let cut = 1; cut < bytes.length; cut++) {
    const { text } = await post(gate, { ...(cut % 2 === 0 ? SHARED : BYPASS), cut })
    if (text !== STREAM) wrong.push(cut)
  }
  t.strictSame(wrong, [])
  const counted = `loopgate_tokens_total{tenant="acme",source="upstream",kind="completion"}`
  t.equal(await metric(gate, counted), (bytes.length - 1) * USAGE.completion_tokens)
})

/** One answer in every framing that the standard allows. */
const CHUNKS = STREAM.split('\n\n').slice(0, -1)
const framings: ReadonlyArray<readonly [name: string, stream: string]> = [
  ['LF', STREAM],
  ['CRLF', STREAM.replaceAll('\n', '\r\n')],
  ['CR', STREAM.replaceAll('\n', '\r')],
  [
    'a mixture of line ends',
    CHUNKS.map((chunk, index) => chunk + (['\n\r\n', '\r\r', '\r\n\n', '\n\n'][index % 4] ?? '')).join(''),
  ],
  ['no space after the colon', STREAM.replaceAll('data: ', 'data:')],
  ['a byte order mark and comments', `\uFEFF: hello\n\n${CHUNKS.join('\n\n: still here\n\n')}\n\n`],
  ['other fields', CHUNKS.map((chunk, index) => `event: message\nid: ${index}\nretry: 5\n${chunk}\n\n`).join('')],
  ['data in several lines', STREAM.replaceAll('"choices":', '\ndata: "choices":')],
  ['no final newline', STREAM.trimEnd()],
  ['no [DONE]', STREAM.replace(DONE, '')],
  ['neither', STREAM.replace(DONE, '').trimEnd()],
]
for (const [name, stream] of framings) {
  t.test(`${name}: what the caller gets is what the upstream sent, its hash says, and it is understood`, async (t) => {
    const bytes = Buffer.from(stream)
    const { gate, upstream } = await opened(t, (call) => {
      beginStream(call)
      const size = Number(call.body['size'])
      const count = Math.ceil(bytes.length / size)
      void inPieces(
        call,
        Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size)),
      )
    })
    const sha256 = (piece: Buffer) => createHash('sha256').update(piece).digest('hex')
    for (const size of [1, 7, bytes.length]) {
      for (const body of [BYPASS, SHARED]) {
        const response = await fetch(`${gate.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
          body: JSON.stringify({ ...body, size }),
        })
        const got = Buffer.from(await response.arrayBuffer())
        t.equal(sha256(got), sha256(bytes), `${size} bytes at a time`)
      }
      const whole = await post(gate, { ...SHARED, size, stream: false })
      t.match(whole.json, { usage: USAGE, choices: [{ message: { content: TEXT }, finish_reason: 'stop' }] })
      t.equal(whole.headers.get('x-loopgate-cache'), 'hit', 'it was taken for whole')
    }
    t.equal(upstream.calls.length, 6)
  })
}

t.test('usage is always asked for, and its own chunk reaches those alone who asked', async (t) => {
  const alone = event({ id: 'chatcmpl-1', choices: [], usage: USAGE })
  const bare = event({ id: 'chatcmpl-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  const { gate, upstream } = await opened(t, (call) => beginStream(call).end(delta('x') + bare + alone + DONE))
  const without = await post(gate, SHARED)
  const wanted = await post(gate, { ...SHARED, stream_options: { include_usage: true } })
  t.equal(without.text, delta('x') + bare + DONE)
  t.equal(wanted.text, delta('x') + bare + alone + DONE)
  t.match(upstream.calls[0]?.body, { stream_options: { include_usage: true } })
  t.equal(upstream.calls.length, 1)
})

t.test(
  'chunks are relayed unchanged: fields nobody has heard of, a missing finish_reason, no usage made up',
  async (t) => {
    const odd = [
      `data: {"choices":[{"delta":{"content":"a"},"index":0}],"time_info":{"queue":1e-5},"x":{"y":[null]}}\n\n`,
      `data: {"choices":[{"delta":{},"index":0,"finish_reason":"stop","z":"\\u00e9"}]}\n\n`,
      DONE,
    ].join('')
    const { gate } = await opened(t, (call) => beginStream(call).end(odd))
    for (const body of [BYPASS, SHARED, SHARED]) t.equal((await post(gate, body)).text, odd)
    t.notOk('usage' in (await post(gate, { ...SHARED, stream: false })).json)
  },
)

t.test('the first chunk arrives before the second has left, and proxies are told not to wait', async (t) => {
  for (const body of [BYPASS, SHARED]) {
    const { gate, upstream } = await opened(t, (call) => beginStream(call).write(delta('Hel')))
    const response = await fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    t.equal(response.headers.get('x-accel-buffering'), 'no')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    t.equal(Buffer.from((await reader.read()).value ?? []).toString(), delta('Hel'))
    ;(await upstream.call(1)).response.end(finish() + DONE)
    let rest = ''
    for (let part = await reader.read(); !part.done; part = await reader.read())
      rest += Buffer.from(part.value).toString()
    t.equal(rest, finish() + DONE)
  }
})

/** A gateway whose time the test moves on. */
async function timed(t: Test, reply: (call: ScratchCall) => unknown) {
  const clock = manualClock()
  const upstream = await scratchUpstream(t, reply)
  const gate = await gateway(t, { upstreamUrl: upstream.url, redis: null }, { clock })
  return { clock, upstream, gate }
}

/** Reads a stream as it comes. */
function reading(gate: { url: string; apiKey: string }, body: object) {
  let text = ''
  const done = (async () => {
    const response = await fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>)
      text += Buffer.from(piece).toString()
  })()
  return { text: () => text, done }
}

t.test('a stream that trickles lives on, however long it takes as a whole', async (t) => {
  const { clock, upstream, gate } = await timed(t, (call) => beginStream(call).flushHeaders())
  const reader = reading(gate, BYPASS)
  const { response } = await upstream.call(1)
  for (let index = 0; index < 12; index++) {
    response.write(delta(`${index};`))
    await until(() => {
      clock.advance(2)
      return reader.text().includes(`"${index};"`) ? true : undefined
    })
    clock.advance(25_000)
  }
  response.end(finish() + DONE)
  await reader.done
  t.equal(contentOf(reader.text()), '0;1;2;3;4;5;6;7;8;9;10;11;', 'five minutes, each gap below the limit')
  t.match(reader.text(), /\[DONE\]\n\n$/)
})

t.test('a stream that stalls is ended at the idle limit with an error that may be tried again', async (t) => {
  const { clock, upstream, gate } = await timed(t, (call) => beginStream(call).write(delta('Hel')))
  const reader = reading(gate, BYPASS)
  const call = await upstream.call(1)
  await until(() => (reader.text().includes('Hel') ? true : undefined))
  clock.advance(29_000)
  t.notMatch(reader.text(), 'error')
  clock.advance(6000)
  await reader.done
  await call.abandoned
  t.match(reader.text(), '"code":"upstream_timeout"')
  t.notMatch(reader.text(), '[DONE]')
})

t.test('an upstream that says nothing at all is a 504 at the first-byte limit', async (t) => {
  const { clock, upstream, gate } = await timed(t, () => {})
  const reply = post(gate, BYPASS)
  const call = await upstream.call(1)
  clock.advance(66_000)
  t.match((await reply).json, { error: { code: 'upstream_timeout' } })
  await call.abandoned
})

t.test('calls that hang hold up no others', async (t) => {
  const { gate, upstream } = await opened(t, (call) => (call.body['hangs'] === true ? undefined : answer(call)))
  const leaving = new AbortController()
  const hanging = Array.from({ length: 50 }, () =>
    fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gate.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...BYPASS, hangs: true }),
      signal: leaving.signal,
    }).catch(() => 'left'),
  )
  await upstream.call(50)
  for (const body of [SHARED, BYPASS]) t.equal(contentOf((await post(gate, body)).text), TEXT)
  leaving.abort()
  t.strictSame(new Set(await Promise.all(hanging)), new Set(['left']))
})
