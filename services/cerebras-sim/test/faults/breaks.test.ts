import { cerebrasSim } from '@loopgate/testkit/sim'
import t from 'tap'
import { ask, eventData, kit } from '../kit.ts'
import { post } from '../raw.ts'

const body = (stream: boolean) => ask('Write.', { stream, min_completion_tokens: 200 })

t.test('a cut stream shows its first events and then a connection that was closed', async (t) => {
  const { url, stats } = await cerebrasSim(t)
  for (const events of [0, 1, 5]) {
    const seen = await post(`${url}/v1/chat/completions`, body(true), { 'x-sim-fault': `cut;afterChunks=${events}` })
    t.equal(seen.status, 200)
    t.equal(seen.complete, false)
    t.equal(seen.body === '' ? 0 : eventData(seen.body).length, events)
    t.notMatch(seen.body, /finish_reason|DONE/)
  }
  t.match(await stats(), { requests: 3, inFlight: 0, aborted: 0 }, 'no client left')
})

t.test('a truncated stream ends in good order with neither finish nor [DONE]', async (t) => {
  const { url } = await cerebrasSim(t)
  for (const events of [1, 5, 1_000_000]) {
    const seen = await post(`${url}/v1/chat/completions`, body(true), {
      'x-sim-fault': `truncate;afterChunks=${events}`,
    })
    t.equal(seen.complete, true)
    if (events < 1_000_000) t.equal(eventData(seen.body).length, events)
    t.notMatch(seen.body, /finish_reason|DONE/)
  }
})

t.test('a whole answer is cut or truncated in its middle', async (t) => {
  const { url } = await cerebrasSim(t)
  for (const [fault, complete] of [
    ['cut', false],
    ['truncate', true],
  ] as const) {
    const seen = await post(`${url}/v1/chat/completions`, body(false), { 'x-sim-fault': fault })
    t.equal(seen.status, 200)
    t.equal(seen.complete, complete)
    t.match(seen.body, /^\{"id":"chatcmpl-/)
    t.throws(() => JSON.parse(seen.body) as unknown)
  }
})

t.test('an error event comes after the events asked for, and nothing after it', async (t) => {
  const { url } = await cerebrasSim(t)
  const seen = await post(`${url}/v1/chat/completions`, body(true), { 'x-sim-fault': 'error_chunk;afterChunks=3' })
  t.equal(seen.status, 200)
  t.equal(seen.complete, true)
  const data = eventData(seen.body)
  t.equal(data.length, 4)
  t.equal(
    data[3],
    '{"error":{"message":"Encountered a server error, please try again.","type":"server_error","param":"","code":"","id":""},"status_code":500}',
  )
  const whole = await post(`${url}/v1/chat/completions`, body(false), { 'x-sim-fault': 'error_chunk' })
  t.equal(whole.status, 500)
})

t.test('a reset gives no byte and ECONNRESET', async (t) => {
  const { url, stats } = await cerebrasSim(t)
  for (const stream of [true, false]) {
    const seen = await post(`${url}/v1/chat/completions`, body(stream), { 'x-sim-fault': 'reset' })
    t.equal(seen.status, undefined)
    t.equal(seen.errorCode, 'ECONNRESET')
  }
  t.match(await stats(), { requests: 2, streams: 0, inFlight: 0, aborted: 0 })
})

t.test('a stall of a given length ends, and the stream is whole after it', async (t) => {
  const { clock, timerSet, chat, get } = kit(t)
  for (const stream of [true, false]) {
    const waiting = timerSet()
    const pending = chat(body(stream), { 'x-sim-fault': 'stall;afterChunks=3;delayMs=30000' })
    await waiting
    clock.advance(29_999)
    t.equal((await get('/__sim/stats')).json().inFlight, 1)
    clock.advance(1)
    t.match((await pending).body, stream ? /DONE/ : /"finish_reason":"stop"/)
  }
})

t.test('a slow first byte is late by as much as asked, one second by default', async (t) => {
  const { clock, timerSet, chat, get } = kit(t)
  for (const [fault, delayMs] of [
    ['slow_first_byte', 1000],
    ['slow_first_byte;delayMs=250', 250],
  ] as const) {
    const waiting = timerSet()
    const pending = chat(body(true), { 'x-sim-fault': fault })
    await waiting
    clock.advance(delayMs - 1)
    t.match((await get('/__sim/stats')).json(), { inFlight: 1, streams: delayMs === 1000 ? 0 : 1 })
    clock.advance(1)
    t.match((await pending).body, /DONE/)
  }
})

t.test('a break at a pace comes when its events have been written', async (t) => {
  const { clock, timerSet, chat } = kit(t, { tokensPerSecond: 100 })
  const waiting = timerSet()
  const pending = chat(body(true), { 'x-sim-fault': 'truncate;afterChunks=4' })
  await waiting
  clock.advance(60_000)
  t.equal(eventData((await pending).body).length, 4)
})
