import { gatewayProcess, type TestGatewayProcess } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { answerJson, beginStream, type ScratchCall, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import * as fc from 'fast-check'
import t from 'tap'
import { caller, contentOf, delta, END, env, metric, until, USAGE } from './replica-kit.ts'

/*
 * Random histories of two gateway processes, in which they are killed: packages/generations has many
 * more of them, with replicas that only seem to die. Here they do.
 */
const HISTORIES = 3

const which = fc.nat({ max: 5 })
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('join' as const),
      at: fc.nat(1),
      key: fc.nat(1),
      stream: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('begin' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('end' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('kill' as const), at: fc.nat(1) }) },
)
/** Every history has a death in it, after somebody has come. */
const history = fc
  .tuple(fc.array(step, { minLength: 4, maxLength: 8 }), fc.nat(1), fc.array(step, { minLength: 2, maxLength: 5 }))
  .map(([before, at, after]) => [...before, { type: 'kill' as const, at }, ...after])

type Said = { readonly call: ScratchCall; readonly question: number; state: 'open' | 'begun' | 'whole' | 'failed' }

const textOf = ({ question, call }: Said): string => `${question}#${call.serial}`

/** Says something in an upstream call that is still open. */
function say(said: Said | undefined, word: 'begin' | 'end' | 'fail'): void {
  if (said === undefined || said.state === 'whole' || said.state === 'failed' || said.call.response.destroyed) return
  const streams = said.call.body['stream'] === true
  if (word === 'fail') {
    if (said.state === 'begun') said.call.response.destroy()
    else answerJson(said.call, 503, { message: 'not now' })
    said.state = 'failed'
  } else if (!streams) {
    if (word === 'begin') return
    const message = { role: 'assistant', content: textOf(said) }
    answerJson(said.call, 200, { id: 'x', choices: [{ index: 0, finish_reason: 'stop', message }], usage: USAGE })
    said.state = 'whole'
  } else {
    if (said.state === 'open') beginStream(said.call).write(delta(textOf(said)))
    said.state = word === 'end' ? 'whole' : 'begun'
    if (word === 'end') said.call.response.end(END)
  }
}

t.test('gateways that are killed keep their promises in any history', async (t) => {
  const store = await redis(t)
  const calls: Said[] = []
  const upstream = await scratchUpstream(t, (call) => {
    calls.push({ call, question: Number(call.body['seed']), state: 'open' })
  })
  const start = () => gatewayProcess(t, { upstreamUrl: upstream.url, redis: store, env })
  const gates: TestGatewayProcess[] = await Promise.all([start(), start()])
  const know = async () => {
    for (const gate of gates) await until(async () => (await metric(gate, 'loopgate_replica_peers')) >= 1)
  }
  await know()
  let questions = 0

  const run = async (steps: Steps): Promise<void> => {
    questions += 2
    const base = questions
    const open = () =>
      calls.filter(({ state, question }) => question >= base && (state === 'open' || state === 'begun'))
    const callers: { question: number; leave: () => void; content: Promise<string | null> }[] = []
    for (const each of steps) {
      if (each.type === 'join') {
        const question = base + each.key
        const { reply, leave } = caller(gates[each.at]!, { seed: question, stream: each.stream })
        callers.push({ question, leave, content: contentWhole(reply, each.stream) })
      } else if (each.type === 'kill') {
        gates[each.at]?.child.kill('SIGKILL')
        gates[each.at] = await start()
      } else if (each.type === 'leave') callers[each.which % Math.max(1, callers.length)]?.leave()
      else say(open()[each.which % Math.max(1, open().length)], each.type)
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    }
    let settled = false
    const all = Promise.all(callers.map(({ content }) => content)).finally(() => (settled = true))
    await until(async () => {
      for (const said of open()) say(said, 'end')
      return settled
    })
    for (const [index, content] of (await all).entries()) {
      if (content === null) continue
      const from = calls.find((said) => textOf(said) === content)
      if (from?.question !== callers[index]?.question) throw new Error(`an answer of another question: ${content}`)
      if (from?.state !== 'whole') throw new Error(`a cut answer: ${content}`)
    }
    for (const name of await store.client.keys(`${store.keyPrefix}:gen:*`)) {
      if (!/:entry:\d+$/.test(name)) continue
      const serial = /\d+#(\d+)/.exec(String(await store.client.getBuffer(name)))?.[1]
      if (calls[Number(serial) - 1]?.state !== 'whole') throw new Error('what is stored is no whole answer')
    }
  }

  const seed = Date.now() % 2 ** 31
  t.comment(`${HISTORIES} histories, seed ${seed}`)
  await fc.assert(fc.asyncProperty(history, run), { numRuns: HISTORIES, seed, endOnFailure: true })
})

type Steps = typeof history extends fc.Arbitrary<infer T> ? T : never

/** What a caller has got as a whole; null for an error, told or cut. Throws for a truncated success. */
async function contentWhole(reply: Promise<Response>, stream: boolean): Promise<string | null> {
  let status: number
  let text: string
  try {
    const answer = await reply
    status = answer.status
    text = await answer.text()
  } catch {
    return null
  }
  return contentOf(status, text, stream)
}
