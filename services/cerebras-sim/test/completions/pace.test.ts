import t from 'tap'
import { ask, chunksOf, kit } from '../kit.ts'

t.test('a paced answer takes as long as its tokens, streamed or whole', async (t) => {
  for (const stream of [true, false]) {
    const { clock, timerSet, chat, get } = kit(t, { tokensPerSecond: 1000 })
    const waiting = timerSet()
    const pending = chat(ask('Write.', { stream, max_completion_tokens: 500, min_completion_tokens: 500 }))
    await waiting
    // Queue and prefill come first: 4.1 ms and 1.8 ms.
    clock.advance(500)
    t.equal((await get('/__sim/stats')).json().inFlight, 1, '500 tokens at 1000 a second need more than half a second')
    clock.advance(15)
    t.equal((await get('/__sim/stats')).json().inFlight, 0)
    const reply = await pending
    t.equal(reply.statusCode, 200)
    if (stream) t.ok(chunksOf(reply.body).length > 50)
  }
})

t.test('time_info goes by the pace, or by the advertised speed where there is none', async (t) => {
  const body = ask('Write.', { max_completion_tokens: 300, min_completion_tokens: 300 })
  const { clock, timerSet, chat } = kit(t, { tokensPerSecond: 100 })
  const waiting = timerSet()
  const pending = chat(body)
  await waiting
  clock.advance(10_000)
  t.equal((await pending).json().time_info.completion_time, 3)
  t.equal((await kit(t).chat(body)).json().time_info.completion_time, 0.1)
})

t.test('a paced stream is the same text as one at full speed', async (t) => {
  const body = ask('Write.', { stream: true })
  const { clock, timerSet, chat } = kit(t, { tokensPerSecond: 50 })
  const waiting = timerSet()
  const pending = chat(body)
  await waiting
  clock.advance(60_000)
  const deltas = (text: string) => chunksOf(text).map((chunk) => chunk.choices[0]?.delta)
  t.strictSame(deltas((await pending).body), deltas((await kit(t).chat(body)).body))
})
