import { beginStream, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { caller, contentOf, delta, END, replicas, TEXT } from './replica-kit.ts'

t.test('two thousand different requests at once are all under way at the upstream at once', async (t) => {
  const upstream = await scratchUpstream(t, () => {})
  const { gates } = await replicas(t, 1, upstream.url)
  const replies = Array.from({ length: 2000 }, (_, index) => caller(gates[0], { stream: true, seed: index }))
  await until(() => upstream.calls.length === 2000, 60_000)
  for (const call of upstream.calls) beginStream(call).end(`${delta(TEXT)}${END}`)
  const texts = await Promise.all(replies.map(async ({ reply }) => contentOf(200, await (await reply).text(), true)))
  t.strictSame(new Set(texts), new Set([TEXT]))
})

for (const processes of [1, 3]) {
  t.test(
    `five thousand equal requests at once over ${processes} of its processes cost one upstream call`,
    async (t) => {
      const upstream = await scratchUpstream(t, (call) => beginStream(call).write(delta('Hello ')))
      const { gates } = await replicas(t, processes, upstream.url)
      const asked = Array.from({ length: 5000 }, (_, index) => ({
        stream: index % 2 === 0,
        gate: gates[index % processes]!,
      }))
      const replies = asked.map(({ gate, stream }) => ({ stream, ...caller(gate, { stream }) }))
      // The answer is held back until every stream has begun: they follow a flight, not the cache.
      const { response } = await upstream.call(1)
      await Promise.all(replies.map(async ({ stream, reply }) => (stream ? await reply : null)))
      response.end(`${delta('🌍')}${END}`)
      const answers = await Promise.all(
        replies.map(async ({ stream, reply }) => {
          const { status, headers } = await reply
          const text = await (await reply).text()
          return { content: contentOf(status, text, stream), text, stream, outcome: headers.get('x-loopgate-cache') }
        }),
      )
      t.equal(upstream.calls.length, 1)
      t.strictSame(new Set(answers.map(({ content }) => content)), new Set([TEXT]))
      t.equal(new Set(answers.filter(({ stream }) => stream).map(({ text }) => text)).size, 1, 'byte for byte')
      t.equal(answers.filter(({ outcome }) => outcome === 'miss').length >= 1, true)
      t.ok(answers.filter(({ outcome }) => outcome === 'coalesced').length >= 2500 - processes)
    },
  )
}
