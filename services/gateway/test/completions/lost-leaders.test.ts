import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { ask, caller, contentOf, delta, END, follows, readUntil, replicas, TEXT, until, USAGE } from './replica-kit.ts'

t.test('a leader killed before the first byte has exactly one successor, and all get the answer', async (t) => {
  const upstream = await scratchUpstream(t, (call: ScratchCall) => {
    if (call.serial === 1) return
    if (call.body['stream'] === true) beginStream(call).end(`${delta(TEXT)}${END}`)
    else {
      const message = { role: 'assistant', content: TEXT }
      answerJson(call, 200, { id: 'x', choices: [{ index: 0, finish_reason: 'stop', message }], usage: USAGE })
    }
  })
  const { gates } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  caller(leader, { stream: true })
  await upstream.call(1)
  const asked = Array.from({ length: 200 }, (_, index) => ({ stream: index % 2 === 0, gate: others[index % 2]! }))
  // Both shapes on both replicas.
  const replies = asked.map(({ gate }, index) => ({
    stream: index % 4 < 2,
    ...caller(gate, { stream: index % 4 < 2 }),
  }))
  await Promise.all(others.map(follows))
  leader.child.kill('SIGKILL')
  const contents = await Promise.all(
    replies.map(async ({ stream, reply }) => contentOf((await reply).status, await (await reply).text(), stream)),
  )
  t.strictSame(new Set(contents), new Set([TEXT]))
  t.equal(upstream.calls.length, 2)
})

t.test('a leader killed in mid-stream: an error to whoever has a part, an answer to the others', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    const response = beginStream(call)
    response.write(delta('Hello '))
    if (call.serial > 1) response.end(`${delta('🌍')}${END}`)
  })
  const { gates, store } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  const first = caller(leader, { stream: true })
  await first.reply
  const replies = Array.from({ length: 200 }, (_, index) => {
    const stream = index % 4 < 2
    return { stream, ...caller(others[index % 2]!, { stream }) }
  })
  const parts = await Promise.all(
    replies.filter(({ stream }) => stream).map(async ({ reply }) => readUntil(await reply, 'Hello ')),
  )
  leader.child.kill('SIGKILL')
  const streamed = await Promise.all(parts.map(async ({ rest }) => contentOf(200, await rest(), true)))
  const whole = await Promise.all(
    replies
      .filter(({ stream }) => !stream)
      .map(async ({ reply }) => contentOf((await reply).status, await (await reply).text(), false)),
  )
  t.strictSame(new Set(streamed), new Set([null]), 'no truncated success')
  t.strictSame(new Set(whole), new Set([TEXT]))
  t.ok(upstream.calls.length <= 2)
  const entries = (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))
  t.equal(entries.length, 1, 'one entry, the successor’s')
  const again = await ask(others[0], true)
  t.equal(contentOf(again.status, again.text, true), TEXT)
  t.equal(upstream.calls.length, 2)
})

t.test('a leader that freezes is succeeded, and what it says when it wakes is not kept', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    if (call.serial > 1) beginStream(call).end(`${delta(TEXT)}${END}`)
  })
  const { gates, store } = await replicas(t, 2, upstream.url)
  const [leader, other] = gates
  const first = caller(leader, { stream: true })
  const { response } = await upstream.call(1)
  const second = caller(other, { stream: true })
  await follows(other)
  leader.child.kill('SIGSTOP')
  t.equal(contentOf(200, await (await second.reply).text(), true), TEXT)
  leader.child.kill('SIGCONT')
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`${delta('stale')}${END}`)
  t.equal(contentOf(200, await (await first.reply).text(), true), 'stale', 'its own caller has a whole answer')
  await until(async () => leader.output().includes('it is not kept'))
  const [entry] = (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))
  const value = String(await store.client.getBuffer(entry ?? ''))
  t.match(value, TEXT)
  t.notMatch(value, 'stale')
  t.equal(upstream.calls.length, 2)
})

t.test('a call that fails before its first byte has one successor among those who wait on all replicas', async (t) => {
  const upstream = await scratchUpstream(t, (call) => {
    if (call.serial === 1) return
    beginStream(call).end(`${delta(TEXT)}${END}`)
  })
  const { gates } = await replicas(t, 3, upstream.url)
  const [leader, ...others] = gates
  const first = caller(leader, { stream: true })
  const failing = await upstream.call(1)
  const replies = Array.from({ length: 200 }, (_, index) => {
    const stream = index % 2 === 0
    return { stream, ...caller(gates[index % 3]!, { stream }) }
  })
  await Promise.all(others.map(follows))
  answerJson(failing, 503, { message: 'not now' })
  t.equal((await first.reply).status, 503, 'whose call it was')
  const answers = await Promise.all(
    replies.map(async ({ stream, reply }) => {
      const { status, headers } = await reply
      const content = contentOf(status, await (await reply).text(), stream)
      return { content, attempts: Number(headers.get('x-loopgate-attempts')) }
    }),
  )
  t.strictSame(new Set(answers.map(({ content }) => content)), new Set([TEXT]))
  t.equal(
    answers.reduce((sum, { attempts }) => sum + attempts, 0),
    1,
    'one of them has called',
  )
  t.equal(upstream.calls.length, 2)
})
