import { redis } from '@loopgate/testkit/redis'
import * as fc from 'fast-check'
import t from 'tap'
import { type Caller, createCaller } from './histories/callers.ts'
import { history, isQuiet, type Step } from './histories/commands.ts'
import { createSites } from './histories/sites.ts'
import { createModel, serialIn } from './histories/upstream.ts'
import { bench, call } from './kit.ts'
import { until } from './net-kit.ts'

/*
 * Random histories of two replicas over one Redis: callers join, read slowly and leave; the upstream is
 * slow, ends, refuses, fails or breaks; replicas lose each other and die; leases lapse, the cache is
 * purged and expires. The model knows what each upstream call has said.
 */
const HISTORIES = 200

t.test('two replicas keep their promises in any history', async (t) => {
  const store = await redis(t)
  let now = 0
  const model = createModel(() => now)
  const { replica, server } = await bench(t, (call) => model.answer(call), {
    redis: store,
    memoryBytes: 0,
    redisTimeoutMs: 10_000,
  })
  const sites = await createSites(t, { replica, redisUrl: store.url, upstreamUrl: server.url }, 2)
  let questions = 0

  const flights = () => store.client.keys(`${store.keyPrefix}:gen:*:flight`)
  const entries = async () =>
    (await store.client.keys(`${store.keyPrefix}:gen:*`)).filter((key) => /:entry:\d+$/.test(key))

  /** Runs a history to its end and checks what everybody came away with. */
  async function run(steps: Step[]): Promise<void> {
    questions += 2
    const base = questions
    // A purge reaches the other replica within a second: it must not trouble the next history.
    const tenant = `tenant-${base}`
    const callers: Caller[] = []
    /**
     * Failures that some caller of a replica has been told, with the step in which it was. Another
     * replica hears of them a moment later, and is joined until then.
     */
    const told = [new Map<number, number>(), new Map<number, number>()]
    const purged = [0, 0]
    const seen = watchLeaders()

    for (const step of steps) {
      now++
      await take(step)
      for (let turn = 0; turn < step.pause; turn++) await new Promise(setImmediate)
      for (const key of await flights()) seen(key, await store.client.hmget(key, 'token', 'leader'))
      for (const question of [base, base + 1]) {
        const open = model.open(base).filter((said) => said.question === question)
        if (isQuiet(steps) && open.length > 1) throw new Error(`two calls for one question: ${open.length}`)
      }
    }
    for (const { goOn } of callers) goOn()
    let settled = false
    const outcomes = Promise.all(callers.map(({ outcome }) => outcome)).finally(() => (settled = true))
    await until(() => {
      for (const said of model.open(base)) model.say(said, 'end')
      return settled
    })
    for (const [index, outcome] of (await outcomes).entries()) {
      const caller = callers[index]!
      if (!caller.left) check(caller, outcome)
    }
    await checkStored()

    async function take(step: Step): Promise<void> {
      if (step.type === 'join') join(step)
      else if (step.type === 'leave') callers[step.which % Math.max(1, callers.length)]?.leave()
      else if (step.type === 'cut') sites.at(step.at).cut()
      else if (step.type === 'kill') {
        const dead = callers.filter(({ at }) => at === step.at)
        const started = sites.kill(step.at)
        for (const { leave } of dead) leave()
        await started
      } else if (step.type === 'purge') {
        await sites.at(step.at).generations.cache.purge(tenant)
        purged[step.at] = now
      } else if (step.type === 'lapse') for (const key of await flights()) await store.client.hset(key, 'until', '1')
      else if (step.type === 'expire') for (const key of await entries()) await store.client.pexpire(key, 0)
      else model.say(pick(step.which), step.type)
    }

    function join({ at, key, stream, slow }: Extract<Step, { type: 'join' }>): void {
      const question = base + key
      const ticket = sites.at(at).generations.generate(call({ seed: question, stream }, { tenant }))
      const caller = createCaller(ticket, { at, question, since: now, stream, slow })
      callers.push(caller)
      note(caller).catch(() => {})
    }

    async function note(caller: Caller): Promise<void> {
      const got = await caller.outcome
      const serial = 'failed' in got ? serialIn(got.failed) : null
      const here = told[caller.at]
      if (serial !== null && !caller.left && here?.has(serial) === false) here.set(serial, now)
    }

    function pick(which: number) {
      const open = model.open(base)
      return open[which % Math.max(1, open.length)]
    }

    function check({ at, question, since }: Caller, got: Awaited<Caller['outcome']>): void {
      const serial = serialIn('content' in got ? got.content : got.failed)
      const from = model.by(serial)
      if (from !== undefined && from.question !== question) throw new Error(`of another key: ${JSON.stringify(got)}`)
      if ('failed' in got) {
        if (serial !== null && since > (told[at]?.get(serial) ?? Number.POSITIVE_INFINITY))
          throw new Error(`a failed flight was joined: ${got.failed}`)
        return
      }
      if (from === undefined) throw new Error(`nobody said ${got.content}`)
      if (from.state !== 'whole' || from.text !== got.content) throw new Error(`cut: ${got.content} of ${from.text}`)
      const purgedAt = purged[at] ?? 0
      if (since > purgedAt && from.began < purgedAt) throw new Error(`purged before it was asked: ${got.content}`)
    }
  }

  /** What is stored is whole; and it goes, so that the next history begins anew. */
  async function checkStored(): Promise<void> {
    for (const name of await entries()) {
      const value = (await store.client.getBuffer(name))?.toString('latin1') ?? ''
      const serials = [...value.matchAll(/\d+#(\d+)/g)].map(([, serial]) => Number(serial))
      if (model.by(serials[0] ?? null)?.state !== 'whole') throw new Error('what is stored is no whole answer')
      await store.client.del(name)
    }
    for (const name of await flights()) await store.client.del(name)
  }

  const seed = Date.now() % 2 ** 31
  t.comment(`${HISTORIES} histories, seed ${seed}`)
  await fc.assert(fc.asyncProperty(history, run), { numRuns: HISTORIES, seed })
})

/** Looks at the leads in Redis: tokens only grow, and no token has two leaders. */
function watchLeaders() {
  const tokens = new Map<string, bigint>()
  const leaders = new Map<string, string>()
  return (key: string, [token, leader]: readonly (string | null)[]): void => {
    const number = BigInt(token ?? 0)
    if (number < (tokens.get(key) ?? 0n)) throw new Error('a token fell')
    tokens.set(key, number)
    const name = `${key} ${token}`
    if ((leaders.get(name) ?? leader) !== leader) throw new Error(`two leaders of one token: ${leader}`)
    leaders.set(name, leader ?? '')
  }
}
