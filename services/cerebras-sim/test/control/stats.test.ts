import t from 'tap'
import { ask, kit } from '../kit.ts'

t.test('every POST of a completion counts once, whatever its answer; nothing else counts', async (t) => {
  const { app, chat, text, get } = kit(t, { limits: 'free' })
  const stats = async () => (await get('/__sim/stats')).json()
  t.strictSame(await stats(), { requests: 0, streams: 0, inFlight: 0, aborted: 0, byModel: {} })

  await get('/v1/models')
  await get('/healthz')
  await get('/nowhere')
  t.equal((await stats()).requests, 0)

  await chat(ask('hi'))
  await chat(ask('hi', { stream: true, max_completion_tokens: 10 }))
  await chat(ask('hi', { model: 'gemma-4-31b', max_completion_tokens: 10 }), { 'x-sim-fault': 'server_error' })
  await text({ model: 'gpt-oss-120b', prompt: 'x', max_tokens: 10 })
  await chat(ask('hi', { store: true }))
  await chat(ask('hi', { model: 'foo' }))
  await chat('not JSON')
  await chat(ask('hi'), { authorization: 'Bearer nope' })
  for (let request = 0; request < 4; request += 1) await chat(ask('hi', { max_completion_tokens: 10 }))

  t.strictSame(await stats(), {
    requests: 12,
    streams: 1,
    inFlight: 0,
    aborted: 0,
    byModel: { 'gpt-oss-120b': 7, 'gemma-4-31b': 1 },
  })
  const zeroed = await app.inject({ method: 'POST', url: '/__sim/reset' })
  t.strictSame(zeroed.json(), { requests: 0, streams: 0, inFlight: 0, aborted: 0, byModel: {} })
})

t.test('a reset leaves what is in flight, which is a fact and not a count', async (t) => {
  const { app, clock, timerSet, chat, get } = kit(t, { tokensPerSecond: 10 })
  const waiting = timerSet()
  const pending = chat(ask('hi'))
  await waiting
  await app.inject({ method: 'POST', url: '/__sim/reset' })
  t.match((await get('/__sim/stats')).json(), { requests: 0, inFlight: 1 })
  clock.advance(600_000)
  await pending
  t.match((await get('/__sim/stats')).json(), { requests: 0, inFlight: 0 })
})
