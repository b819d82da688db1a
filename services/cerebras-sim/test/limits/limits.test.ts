import t from 'tap'
import { ask, kit, type Post } from '../kit.ts'

type Headers = Record<string, string | string[] | number | undefined>
const left = (headers: Headers, metric: string, window: string) =>
  Number(headers[`x-ratelimit-remaining-${metric}-${window}`])

t.test(
  'every reply carries the whole grid; remaining leaves the own request out; reset is aligned to the clock',
  async (t) => {
    const { chat, clock } = kit(t, { limits: 'developer' })
    const first = await chat(ask('hi', { max_completion_tokens: 50 }))
    const names = Object.keys(first.headers).filter((name) => name.startsWith('x-ratelimit-'))
    t.equal(names.length, 18)
    t.match(first.headers, {
      'x-ratelimit-limit-requests-minute': '1000',
      'x-ratelimit-limit-requests-day': '1440000',
      'x-ratelimit-limit-tokens-minute': '1000000',
      'x-ratelimit-limit-tokens-day': '1000000000',
      'x-ratelimit-remaining-requests-minute': '1000',
      'x-ratelimit-remaining-tokens-minute': '1000000',
      // 20:59:55.05 UTC.
      'x-ratelimit-reset-tokens-minute': '4.95',
      'x-ratelimit-reset-requests-hour': '4.95',
      'x-ratelimit-reset-requests-day': '10804.95',
    })
    const second = await chat(ask('hi', { max_completion_tokens: 50 }))
    t.equal(left(second.headers, 'requests', 'minute'), 999)
    t.equal(left(second.headers, 'tokens', 'minute'), 1_000_000 - first.json().usage.total_tokens)
    clock.advance(4950)
    t.equal((await chat(ask('hi'))).headers['x-ratelimit-reset-tokens-minute'], '60')
  },
)

t.test('without limits there are no headers of limits', async (t) => {
  const { chat } = kit(t)
  t.notOk(Object.keys((await chat(ask('hi'))).headers).some((name) => name.startsWith('x-ratelimit-')))
})

t.test('the sixth request of a minute is refused on the free tier, and one is back after a fifth of it', async (t) => {
  const { chat, clock } = kit(t, { limits: 'free' })
  const small = ask('hi', { max_completion_tokens: 10 })
  for (let request = 1; request <= 5; request += 1) t.equal((await chat(small)).statusCode, 200, `request ${request}`)
  const refused = await chat(small)
  t.equal(refused.statusCode, 429)
  t.equal(
    refused.body,
    '{"message":"Requests per minute limit exceeded - too many requests sent.","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}',
  )
  t.equal(left(refused.headers, 'requests', 'minute'), 0)
  t.notOk('retry-after' in refused.headers)
  clock.advance(11_999)
  t.equal((await chat(small)).statusCode, 429)
  clock.advance(1)
  t.equal((await chat(small)).statusCode, 200)
})

t.test('the estimate decides: prompt and bound, 16384 where there is none, however little is used', async (t) => {
  const { chat } = kit(t, { limits: 'free' })
  const status = async (extra: Record<string, unknown>) => (await chat(ask('hi', extra))).statusCode
  // 30,000 tokens a minute: one unbounded request of 16,384 fits at a time, used up or not.
  t.equal(await status({}), 200)
  t.equal(await status({ max_completion_tokens: 32_000 }), 200, 'no more than 16384 is ever reserved')
  const spent = kit(t, { limits: 'free', refund: false })
  t.equal((await spent.chat(ask('hi'))).statusCode, 200)
  const refused = await spent.chat(ask('hi'))
  t.equal(refused.statusCode, 429, 'without refund the first 16384 are gone')
  t.equal(
    refused.body,
    '{"message":"Tokens per minute limit exceeded - too many tokens processed.","type":"too_many_tokens_error","param":"quota","code":"token_quota_exceeded"}',
  )
  t.equal((await spent.chat(ask('hi', { max_completion_tokens: 10_000 }))).statusCode, 200, 'a tight bound still fits')
})

t.test('a running request holds its reservation until it ends', async (t) => {
  const { app, chat, clock, timerSet } = kit(t, { limits: 'free', tokensPerSecond: 10 })
  const waiting = timerSet()
  const running = chat(ask('hi', { max_completion_tokens: 30, min_completion_tokens: 30 }))
  await waiting
  const secondWaiting = timerSet()
  const second = chat(ask('hi'))
  await secondWaiting
  const refused = await chat(ask('hi'))
  t.equal(refused.statusCode, 429, '8 + 30 and 8 + 16384 are held, so another 16392 do not fit')
  t.equal(left(refused.headers, 'tokens', 'minute'), 30_000, 'but what is held does not show in remaining')
  clock.advance(60_000)
  await Promise.all([running, second])
  const after = chat(ask('hi', { max_completion_tokens: 1 }))
  await timerSet()
  clock.advance(10_000)
  t.equal((await after).statusCode, 200)
  await app.close()
})

t.test('hour and day have buckets of their own', async (t) => {
  const { chat, clock } = kit(t, { limits: 'free' })
  const small = ask('hi', { max_completion_tokens: 1 })
  let sent = 0
  let reply = await chat(small)
  while (reply.statusCode === 200) {
    sent += 1
    // Fast enough for the minute (5 a minute), too fast for the hour (150 an hour).
    clock.advance(12_000)
    reply = await chat(small)
  }
  // The hour bucket starts at 150, gains one in 24 s and loses one in 12 s: it is empty after 300.
  t.ok(sent >= 298 && sent <= 302, String(sent))
  t.match(reply.json(), { message: /^Requests per hour limit exceeded/, code: 'request_quota_exceeded' })
})

t.test('limits are per organisation and model: keys of one share them, another’s are untouched', async (t) => {
  const { chat } = kit(t, { limits: 'free' })
  const send = async (key: string, model = 'gpt-oss-120b') =>
    (await chat(ask('hi', { model, max_completion_tokens: 1 }), { authorization: `Bearer ${key}` })).statusCode
  for (let request = 0; request < 5; request += 1) t.equal(await send('csk-acme-1'), 200)
  t.equal(await send('csk-acme-2'), 429)
  t.equal(await send('csk-acme-1', 'gemma-4-31b'), 200)
  t.equal(await send('csk-other-1'), 200)
})

t.test('retry-after is sent only where the configuration says so', async (t) => {
  const { chat } = kit(t, { limits: 'free', retryAfter: true })
  await exhaust(chat)
  t.equal((await chat(ask('hi'))).headers['retry-after'], '5')
})

async function exhaust(chat: Post): Promise<void> {
  for (let request = 0; request < 5; request += 1) await chat(ask('hi', { max_completion_tokens: 1 }))
}

t.test('a request refused for its form or its limits costs nothing', async (t) => {
  const { chat } = kit(t, { limits: 'free' })
  for (let request = 0; request < 9; request += 1) await chat(ask('hi', { store: true }))
  await exhaust(chat)
  for (let request = 0; request < 9; request += 1) t.equal((await chat(ask('hi'))).statusCode, 429)
})

t.test('beyond the bound of generations at once the provider is congested', async (t) => {
  const { chat, clock, timerSet } = kit(t, { maxInFlight: 1, tokensPerSecond: 100 })
  const waiting = timerSet()
  const running = chat(ask('hi'))
  await waiting
  const refused = await chat(ask('hi'))
  t.equal(refused.statusCode, 429)
  t.equal(
    refused.body,
    '{"message":"We\'re experiencing high traffic right now! Please try again soon.","type":"too_many_requests_error","param":"queue","code":"queue_exceeded"}',
  )
  clock.advance(60_000)
  t.equal((await running).statusCode, 200)
  const nextWaiting = timerSet()
  const next = chat(ask('hi'))
  await nextWaiting
  clock.advance(60_000)
  t.equal((await next).statusCode, 200, 'the place is free again')
})

t.test('a repeated prefix is cached in blocks of 128 tokens, and counts against the total bucket only', async (t) => {
  const { chat, clock } = kit(t, { limits: 'developer', promptCache: true })
  // 3.4 characters a token: 10 blocks and a bit.
  const prompt = 'All work and no play makes a dull prompt. '.repeat(110)
  const send = async (content: string) => {
    const reply = await chat(ask(content, { max_completion_tokens: 1 }))
    return {
      cached: reply.json().usage.prompt_tokens_details.cached_tokens,
      left: left(reply.headers, 'tokens', 'minute'),
      usage: reply.json().usage,
    }
  }
  const first = await send(prompt)
  t.equal(first.cached, 0)
  const again = await send(prompt)
  t.equal(again.cached, 1280)
  t.equal(first.left - again.left, first.usage.total_tokens)
  const longer = await send(`${prompt} And more.`)
  t.equal(longer.cached, 1280)
  t.equal(again.left - longer.left, again.usage.total_tokens - 1280, 'what was cached costs the minute nothing')
  t.equal((await send(`Another start. ${prompt}`)).cached, 0)
  clock.advance(300_001)
  t.equal((await send(prompt)).cached, 0, 'after five minutes it is forgotten')
})

t.test('an organisation may have limits of its own, beside others that have none', async (t) => {
  const most = { minute: 100, hour: 100, day: 100 }
  const { chat } = kit(t, { quotas: { acme: { requests: { ...most, day: 1 }, tokens: { ...most, day: 100_000 } } } })
  const small = ask('hi', { max_completion_tokens: 10 })
  t.equal((await chat(small)).headers['x-ratelimit-limit-requests-day'], '1')
  t.match(await chat(small), { statusCode: 429, body: /per day/ })
  const ofGlobex = { authorization: 'Bearer csk-globex-1' }
  for (const _ of [1, 2, 3]) t.equal((await chat(small, ofGlobex)).statusCode, 200)
})
