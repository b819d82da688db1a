import { executionResultSchema, type RunnerView } from '@loopgate/contracts'
import t from 'tap'
import { run, serve, waiting, fresh } from './kit/executions.ts'
import { send, until } from './kit/http.ts'
import { attach, resultOf, type HandRunner } from './kit/runner.ts'

t.test('only a runner with the language gets the execution', async (t) => {
  const gw = await fresh(t)
  const python = await attach(t, gw, { runnerId: 'py' })
  const reply = run(gw, { language: 'javascript' })
  await waiting(gw, 1)
  await serve(await attach(t, gw, { runnerId: 'js', languages: [{ language: 'javascript', version: '24' }] }))
  t.equal(executionResultSchema.parse((await reply).json).runnerId, 'js')
  t.strictSame(python.unheard(), [])
})

t.test('busy sends the execution to another runner, and back to the same once it has room', async (t) => {
  const gw = await fresh(t)
  const full = await attach(t, gw, { runnerId: 'full' })
  const reply = run(gw)
  const offered = await full.hear('execute')
  const other = await attach(t, gw, { runnerId: 'other' })
  full.say({ type: 'busy', leaseId: offered.leaseId })
  await serve(other)
  t.equal(executionResultSchema.parse((await reply).json).runnerId, 'other')
  other.crash()

  const again = run(gw)
  for (let refusals = 0; refusals < 3; refusals += 1) {
    full.say({ type: 'busy', leaseId: (await full.hear('execute')).leaseId })
  }
  await serve(full)
  t.equal((await again).status, 200)
})

t.test('of two idle runners the one that had the work of the tenant before gets it again', async (t) => {
  const gw = await fresh(t)
  const runners = [await attach(t, gw, { runnerId: 'a' }), await attach(t, gw, { runnerId: 'b' })]
  const served: string[] = []
  for (let count = 0; count < 12; count += 1) {
    const reply = run(gw)
    await until(() =>
      runners.some((each) => each.unheard().some(({ type }) => type === 'execute')) ? true : undefined,
    )
    await serve(runners.find((each) => each.unheard().some(({ type }) => type === 'execute'))!)
    served.push(executionResultSchema.parse((await reply).json).runnerId)
  }
  t.equal(new Set(served).size, 1, served.join(' '))
})

t.test('load that a runner has from other replicas counts', async (t) => {
  const gw = await fresh(t)
  const loaded = await attach(t, gw, { runnerId: 'loaded', slots: 10 })
  const idle = await attach(t, gw, { runnerId: 'idle', slots: 10 })
  loaded.say({ type: 'load', running: 9 })
  await until(async () => {
    const { runners } = (await send(`${gw.url}/api/runners`, { key: gw.adminKey })).json as { runners: RunnerView[] }
    return runners.find(({ running }) => running === 9)
  })
  const replies = Array.from({ length: 5 }, () => run(gw))
  for (let count = 0; count < 5; count += 1) await serve(idle)
  t.ok((await Promise.all(replies)).every(({ json }) => json['runnerId'] === 'idle'))
})

t.test("one tenant's long line does not hold up another's single execution", async (t) => {
  const gw = await fresh(t)
  const many = Array.from({ length: 30 }, () => run(gw, { stdin: 'acme' }))
  await waiting(gw, 30)
  const one = run(gw, { stdin: 'globex' }, gw.otherTenantKey)
  await waiting(gw, 31)
  const runner = await attach(t, gw, { slots: 1 })
  const order: string[] = []
  for (let count = 0; count < 31; count += 1) {
    const { leaseId, request } = await runner.hear('execute')
    order.push(request.stdin)
    runner.say({ type: 'result', leaseId, result: resultOf() })
  }
  t.ok(order.indexOf('globex') <= 1, `it came at place ${order.indexOf('globex')}`)
  t.equal((await one).status, 200)
  t.ok((await Promise.all(many)).every(({ status }) => status === 200))
})

t.test('a line of python does not hold up javascript, nor the other way round', async (t) => {
  const gw = await fresh(t)
  const both = [
    { language: 'python' as const, version: '3' },
    { language: 'javascript' as const, version: '24' },
  ]
  const replies = Array.from({ length: 6 }, () => run(gw))
  await waiting(gw, 6)
  replies.push(run(gw, { language: 'javascript' }))
  await waiting(gw, 7)
  const runner = await attach(t, gw, { slots: 1, languages: both })
  const order: string[] = []
  for (let count = 0; count < 7; count += 1) {
    const { leaseId, request } = await runner.hear('execute')
    order.push(request.language)
    runner.say({ type: 'result', leaseId, result: resultOf() })
  }
  t.ok(order.indexOf('javascript') <= 1, order.join(' '))
  await Promise.all(replies)
})

t.test('work spreads over the runners by their load', async (t) => {
  const gw = await fresh(t)
  const small = await attach(t, gw, { runnerId: 'small', slots: 4 })
  const large = await attach(t, gw, { runnerId: 'large', slots: 40 })
  const replies = Array.from({ length: 22 }, () => run(gw))
  const got = (runner: HandRunner): number => runner.unheard().filter(({ type }) => type === 'execute').length
  await until(() => (got(small) + got(large) === 22 ? true : undefined))
  t.ok(got(small) <= 4, `small got ${got(small)}`)
  t.ok(got(large) >= 18, `large got ${got(large)}`)
  await serveAll([small, large], 22)
  t.ok((await Promise.all(replies)).every(({ status }) => status === 200))
})

async function serveAll(runners: HandRunner[], total: number): Promise<void> {
  let served = 0
  for (const runner of runners) {
    for (const frame of runner.unheard()) {
      if (frame.type !== 'execute' || served === total) continue
      served += 1
      await serve(runner)
    }
  }
}

t.test('a language that a runner has in one tier is not asked of it in another', async (t) => {
  const gw = await fresh(t)
  const tiers: RunnerView['tiers'] = ['process', 'isolate']
  const inProcess = { language: 'typescript', version: '24', tiers: ['process' as const] }
  const other = await attach(t, gw, { runnerId: 'other', tiers, languages: [inProcess] })
  const reply = run(gw, { language: 'typescript', isolation: 'isolate' })
  await waiting(gw, 1)
  const languages = [{ ...inProcess, tiers: ['process' as const, 'isolate' as const] }]
  await serve(await attach(t, gw, { runnerId: 'both', tiers, languages }))
  t.equal(executionResultSchema.parse((await reply).json).runnerId, 'both')
  t.strictSame(other.unheard(), [])
})

t.test('a runner learns which executions are of one tenant, and not of which', async (t) => {
  const gw = await fresh(t)
  const runner = await attach(t, gw, { runnerId: 'a' })
  const names: Array<string | undefined> = []
  for (let count = 0; count < 2; count += 1) {
    const reply = run(gw)
    const frame = await runner.hear('execute')
    names.push(frame.tenant)
    runner.say({ type: 'accepted', leaseId: frame.leaseId })
    runner.say({ type: 'result', leaseId: frame.leaseId, result: resultOf() })
    await reply
  }
  t.match(names[0], /^[0-9a-f]{32}$/)
  t.equal(names[0], names[1])
})
