import { redis } from '@loopgate/testkit/redis'
import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import { LoopgateError } from '@loopgate/service-kit'
import * as fc from 'fast-check'
import t from 'tap'
import { bench, call, chunk, chunksOf, dataOf, documentOf, event, read } from './kit.ts'
import { onNetwork, until } from './net-kit.ts'

/*
 * Random histories of two replicas over one Redis: callers join and leave, the upstream is slow,
 * ends, refuses or breaks, replicas lose each other, leases lapse, entries go. The model knows what
 * each upstream call has said.
 */
type Command =
  | { readonly type: 'join'; readonly at: number; readonly key: number; readonly stream: boolean }
  | { readonly type: 'leave' | 'chunk' | 'end' | 'refuse' | 'break'; readonly which: number }
  | { readonly type: 'cut'; readonly at: number }
  | { readonly type: 'lapse' }
  | { readonly type: 'forget' }
type Step = Command & { readonly pause: number }

const pick = fc.nat({ max: 7 })
const step: fc.Arbitrary<Step> = fc
  .record({
    command: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          type: fc.constant('join' as const),
          at: fc.nat(1),
          key: fc.nat(1),
          stream: fc.boolean(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('leave' as const), which: pick }) },
      { weight: 4, arbitrary: fc.record({ type: fc.constant('chunk' as const), which: pick }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('end' as const), which: pick }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('refuse' as const, 'break' as const), which: pick }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('cut' as const), at: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('lapse' as const, 'forget' as const) }) },
    ),
    // Turns of the event loop before the next command: none, a few, or enough to come to rest.
    pause: fc.constantFrom(0, 1, 3, 10, 40),
  })
  .map(({ command, pause }) => ({ ...command, pause }))

/** What the model knows of an upstream call. */
type Said = {
  readonly call: ScratchCall
  readonly question: number
  text: string
  state: 'open' | 'whole' | 'failed' | 'left'
}

type Outcome = { readonly content: string } | { readonly failed: string }

t.test('two replicas keep their promises in any history', async (t) => {
  const store = await redis(t)
  const calls: Said[] = []
  const { generations, replica } = await bench(
    t,
    (call) => {
      const question = Number(call.body['seed'])
      const said: Said = { call, question, text: `${question}#${call.serial}`, state: 'open' }
      calls.push(said)
      void call.abandoned.then(() => (said.state = said.state === 'open' ? 'left' : said.state))
    },
    { redis: store, memoryBytes: 0, redisTimeoutMs: 10_000 },
  )
  const sites = [await onNetwork(t, generations), await onNetwork(t, replica().generations)]
  let questions = 0

  const flights = () => store.client.keys(`${store.keyPrefix}:gen:*:flight`)
  const entries = async () =>
    (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))

  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 18 }), async (history) => {
      questions += 2
      const base = questions
      const known = new Map<number, number>()
      const tokens = new Map<string, bigint>()
      const callers: {
        leave: () => void
        left: boolean
        question: number
        since: number
        outcome: Promise<Outcome>
      }[] = []
      let now = 0

      const join = (at: number, question: number, stream: boolean): void => {
        const ticket = sites[at]!.generations.generate(call({ seed: question, stream }))
        const gone = Promise.withResolvers<Outcome>()
        const answer: Promise<Outcome> = read(ticket).then(
          ({ text, content }) => {
            if (!stream) return { content }
            if (text.includes('"finish_reason":"error"')) {
              if (text.includes('[DONE]')) throw new Error(`an error and [DONE]: ${text}`)
              return { failed: dataOf(text).join('') }
            }
            if (!text.includes('[DONE]')) throw new Error(`a truncated success: ${text}`)
            return { content }
          },
          (error: unknown) => {
            if (error instanceof LoopgateError) return { failed: `${error.code} ${error.message}` }
            throw error
          },
        )
        const leave = (): void => {
          ticket.leave()
          gone.resolve({ failed: 'it left' })
        }
        const outcome = Promise.race([answer, gone.promise])
        const one = { leave, left: false, question, since: now, outcome }
        callers.push(one)
        const note = (got: Outcome): void => {
          const serial = 'failed' in got ? serialIn(got.failed) : null
          if (serial !== null && !one.left && !known.has(serial)) known.set(serial, now)
        }
        void outcome.then(note)
      }

      const say = (said: Said | undefined, type: 'chunk' | 'end' | 'refuse' | 'break'): void => {
        if (said === undefined || said.state !== 'open') return
        const { response } = said.call
        const streams = said.call.body['stream'] === true
        const begun = response.headersSent
        if (type === 'refuse') {
          if (begun) return
          said.state = 'failed'
          return answerJson(said.call, 422, { message: `refused ${said.text}`, type: 'x', param: null, code: 'y' })
        }
        if (type === 'break') {
          said.state = 'failed'
          return void response.destroy()
        }
        if (!streams) {
          if (type === 'chunk') return
          said.state = 'whole'
          return answerJson(said.call, 200, documentOf(said.text))
        }
        if (!begun) {
          beginStream(said.call)
          response.write(event(chunk({ content: said.text })))
        }
        if (type === 'chunk') {
          said.text += '.'
          response.write(event(chunk({ content: '.' })))
        } else {
          said.state = 'whole'
          response.end(Buffer.concat(chunksOf([]).slice(-2)))
        }
      }

      for (const { pause, ...command } of history) {
        now++
        if (command.type === 'join') join(command.at, base + command.key, command.stream)
        else if (command.type === 'leave') {
          const one = callers[command.which % Math.max(1, callers.length)]
          if (one !== undefined) one.left = true
          one?.leave()
        } else if (command.type === 'cut') sites[command.at]!.cut()
        else if (command.type === 'lapse') for (const key of await flights()) await store.client.hset(key, 'until', '1')
        else if (command.type === 'forget') for (const key of await entries()) await store.client.del(key)
        else {
          const open = calls.filter(({ state, question }) => state === 'open' && question >= base)
          say(open[command.which % Math.max(1, open.length)], command.type)
        }
        for (let turn = 0; turn < pause; turn++) await new Promise(setImmediate)
        for (const key of await flights()) {
          const token = BigInt((await store.client.hget(key, 'token')) ?? 0)
          if (token < (tokens.get(key) ?? 0n)) throw new Error('a token fell')
          tokens.set(key, token)
        }
        const quiet = !history.some(({ type }) => type === 'leave' || type === 'cut' || type === 'lapse')
        for (const question of [base, base + 1]) {
          const open = calls.filter((said) => said.question === question && said.state === 'open')
          if (quiet && open.length > 1) throw new Error(`two calls for one question: ${open.length}`)
        }
      }

      let settled = false
      const all = Promise.all(callers.map(({ outcome }) => outcome)).finally(() => (settled = true))
      await until(() => {
        for (const said of calls) say(said, 'end')
        return settled
      })
      for (const [index, got] of (await all).entries()) {
        const { question, left, since } = callers[index]!
        if (left) continue
        if ('content' in got) {
          const from = calls.find(({ call }) => call.serial === serialIn(got.content))
          if (from?.question !== question) throw new Error(`${question} was answered with ${got.content}`)
          if (from.state !== 'whole' || from.text !== got.content)
            throw new Error(`cut: ${got.content} of ${from.text}`)
        } else {
          const serial = serialIn(got.failed)
          const from = calls.find(({ call }) => call.serial === serial)
          if (from !== undefined && from.question !== question) throw new Error(`the failure of another: ${got.failed}`)
          if (serial !== null && since > (known.get(serial) ?? Infinity))
            throw new Error(`a failed flight was joined: ${got.failed}`)
        }
      }
      for (const name of await entries()) {
        const value = (await store.client.getBuffer(name))!.toString('latin1')
        const serials = [...value.matchAll(/\d+#(\d+)/g)].map(([, serial]) => Number(serial))
        const from = calls.find(({ call }) => serials.includes(call.serial))
        if (from?.state !== 'whole') throw new Error('what is stored is no whole answer')
        await store.client.del(name)
      }
      for (const name of await flights()) await store.client.del(name)
    }),
    { numRuns: 100 },
  )
  t.pass('a hundred histories')
})

/** The upstream call that an answer or a failure comes from. */
function serialIn(text: string): number | null {
  const found = /\d+#(\d+)/.exec(text)
  return found === null ? null : Number(found[1])
}
