import { manualClock } from '@loopgate/testkit/clock'
import { privateRedis } from '@loopgate/testkit/redis'
import { answerJson, beginStream } from '@loopgate/testkit/scratch-upstream'
import t, { type Test } from 'tap'
import { ask, bench, call, chunksOf, documentOf, read, streaming } from './kit.ts'
import { onNetwork, until } from './net-kit.ts'

t.test('a follower has the leader’s bytes and facts: usage, kind and what may be kept', async (t) => {
  const { generations, replica, server } = await bench(t, (call) => beginStream(call).flushHeaders(), {
    memoryBytes: 0,
  })
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  const withUsage = { stream: true, stream_options: { include_usage: true } }
  const first = one.generations.generate(call(withUsage))
  const { response } = await server.call(1)
  const others = [withUsage, { stream: true }, {}].map((body) => two.generations.generate(call(body)))
  await until(() => one.followers() === 1)
  const usage = Buffer.from(
    'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n',
  )
  const [done, ...chunks] = chunksOf(['Hello'], 'stop').toReversed()
  for (const chunk of chunks.toReversed()) response.write(chunk)
  response.write(usage)
  response.end(done)
  const led = await read(first)
  const [full, without, document] = await Promise.all(others.map(read))
  t.equal(full?.text, led.text)
  t.match(full?.text, '"choices":[],"usage"')
  t.equal(without?.text, led.text.replace(usage.toString(), ''))
  t.equal(document?.content, 'Hello')
  t.strictSame(
    [full, without, document].map((answer) => answer?.generation.outcome),
    Array(3).fill('coalesced'),
  )
  t.strictSame(
    [full, without, document].map((answer) => answer?.generation.attempts),
    [0, 0, 0],
  )
  t.equal(server.calls.length, 1)
})

t.test(
  'an upstream that refuses is told to followers as it was told to the leader, and leads to no second call',
  async (t) => {
    const { generations, replica, server } = await bench(t, () => {})
    const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
    const first = ask(one.generations)
    await server.call(1)
    const second = ask(two.generations, call({ stream: true }))
    await until(() => one.followers() === 1)
    answerJson(server.calls[0]!, 422, {
      message: 'no such thing',
      type: 'invalid_request_error',
      param: 'x',
      code: 'y',
    })
    const refusal = { statusCode: 422, param: 'x', openaiCode: 'y', message: 'no such thing' }
    const told = await Promise.allSettled([first, second])
    t.match(told, [
      { status: 'rejected', reason: refusal },
      { status: 'rejected', reason: refusal },
    ])
    t.equal(server.calls.length, 1)
  },
)

t.test('a flight beyond its bound takes no follower; the other replica leads one of its own', async (t) => {
  const { generations, replica, server } = await bench(t, (call) => void beginStream(call), { flightBytes: 1000 })
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  const first = one.generations.generate(call({ stream: true }))
  const { response } = await server.call(1)
  for (const chunk of chunksOf(['x'.repeat(600), 'y'.repeat(600)]).slice(0, 3)) response.write(chunk)
  const reading = read(first)
  await until(async () => (await first.ready).content.kind === 'stream')
  const second = ask(two.generations, call({ stream: true }))
  const successor = await server.call(2)
  successor.response.end(Buffer.concat(chunksOf(['mine'])))
  t.equal((await second).content, 'mine')
  response.end(Buffer.concat(chunksOf(['z']).slice(-2)))
  t.equal((await reading).content, 'x'.repeat(600) + 'y'.repeat(600))
  t.equal(server.calls.length, 2)
})

t.test('whoever takes over with a document serves those who began as a stream', async (t) => {
  const { generations, replica, server } = await bench(t, (call) => {
    if (call.serial === 1) beginStream(call).flushHeaders()
    else answerJson(call, 200, documentOf('whole'))
  })
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  const first = one.generations.generate(call({ stream: true }))
  await first.ready
  const document = two.generations.generate(call())
  const stream = two.generations.generate(call({ stream: true }))
  // Its status is out, its first byte is not.
  await stream.ready
  const reading = read(stream)
  one.cut()
  t.equal((await reading).content, 'whole')
  t.equal((await read(document)).content, 'whole')
  t.equal(server.calls.length, 2)
  first.leave()
})

t.test('an answer that ended while Redis stood still for a second is there afterwards', async (t) => {
  const { url, pid } = await privateRedis(t)
  const { generations, replica, server } = await bench(t, (call) => beginStream(call).flushHeaders(), {
    redis: { url, keyPrefix: 'x' },
  })
  const asked = generations.generate(call({ stream: true }))
  const { response } = await server.call(1)
  process.kill(pid, 'SIGSTOP')
  response.end(Buffer.concat(chunksOf(['kept'])))
  t.equal((await read(asked)).content, 'kept')
  await new Promise((resolve) => setTimeout(resolve, 1000))
  process.kill(pid, 'SIGCONT')
  const other = replica()
  await until(async () => {
    const ticket = other.generations.generate(call({ stream: true }))
    const open = server.calls.length
    const answer = await Promise.race([read(ticket), server.call(open + 1)])
    if ('generation' in answer) return answer.generation.outcome === 'hit' && answer.content === 'kept'
    ticket.leave()
    return false
  })
})

t.test('closing waits for what is on its way into Redis', async (t) => {
  const { generations, replica, server } = await bench(t, streaming())
  await ask(generations)
  await generations.close()
  t.equal((await ask(replica().generations)).generation.outcome, 'hit')
  t.equal(server.calls.length, 1)
})

/** Two replicas over a Redis of their own that stands still, and a clock that moves when the test says so. */
async function withFrozenRedis(t: Test) {
  const { url, pid } = await privateRedis(t)
  const clock = manualClock()
  const { generations, replica, server } = await bench(
    t,
    (call) => call.body['seed'] === 1 && answerJson(call, 200, documentOf('x')),
    {
      redis: { url, keyPrefix: 'x' },
      clock,
      memoryBytes: 0,
    },
  )
  const [one, two] = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  // From here on there is nothing to look up but claims.
  for (const { generations } of [one, two]) await ask(generations, call({ seed: 1 }))
  process.kill(pid, 'SIGSTOP')
  return { one, two, server, clock, wake: () => process.kill(pid, 'SIGCONT') }
}

t.test('while Redis is slow, and not away, no replica leads for itself: there is one call', async (t) => {
  const { one, two, server, clock, wake } = await withFrozenRedis(t)
  const asked = [one, two].map(({ generations }) => ask(generations))
  for (const step of [150, 150]) {
    clock.advance(step)
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  }
  t.equal(server.calls.length, 1, 'twice the time for a command has passed, and nobody has called')
  wake()
  answerJson(await server.call(2), 200, documentOf('one'))
  t.strictSame(
    (await Promise.all(asked)).map(({ content }) => content),
    ['one', 'one'],
  )
  t.equal(server.calls.length, 2)
})

t.test('a claim that Redis answers too late is still a lead: whoever asks later follows it', async (t) => {
  const { one, two, server, clock, wake } = await withFrozenRedis(t)
  const first = ask(one.generations)
  clock.advance(3000)
  const held = await server.call(2)
  wake()
  const second = ask(two.generations)
  await until(() => one.followers() === 1)
  answerJson(held, 200, documentOf('one'))
  t.equal((await first).content, 'one', 'it has led for itself')
  t.equal((await second).content, 'one')
  t.equal(server.calls.length, 2)
})
