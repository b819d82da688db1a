import t from 'tap'
import { run, serve, metrics, waiting, fresh } from './kit/executions.ts'
import { series } from './kit/http.ts'
import { attach, resultOf, type HandRunner } from './kit/runner.ts'

t.test('a runner lost in the middle costs the caller nothing: another runs it, under a new lease', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first' })
  const reply = run(gw)
  const { leaseId, executionId } = await first.hear('execute')
  first.say({ type: 'accepted', leaseId })
  first.crash()
  await waiting(gw, 1)
  const second = await attach(t, gw, { runnerId: 'second' })
  const frame = await second.hear('execute')
  t.equal(frame.executionId, executionId)
  t.not(frame.leaseId, leaseId)
  second.say({ type: 'result', leaseId: frame.leaseId, result: resultOf({ stdout: 'second' }) })
  t.match((await reply).json, { stdout: 'second', runnerId: 'second' })
})

t.test('an execution that loses two runners is given up', async (t) => {
  const gw = await fresh(t)
  const reply = run(gw)
  for (const runnerId of ['one', 'two']) {
    const runner = await attach(t, gw, { runnerId })
    const { leaseId } = await runner.hear('execute')
    runner.say({ type: 'accepted', leaseId })
    runner.crash()
  }
  t.match(await reply, { status: 503, json: { code: 'LG_RUNNER_LOST', retryable: true } })
})

t.test(
  "a runner's own fault sends the execution to another, once, and is the answer where there is none",
  async (t) => {
    const gw = await fresh(t)
    const broken = await attach(t, gw, { runnerId: 'broken' })
    const fail = async (runner: HandRunner): Promise<void> => {
      const { leaseId } = await runner.hear('execute')
      runner.say({ type: 'result', leaseId, result: resultOf({ message: 'no space' }, 'internal_error') })
    }
    const alone = run(gw)
    await fail(broken)
    t.match(await alone, { status: 200, json: { outcome: 'internal_error', message: 'no space' } })

    const reply = run(gw)
    const held = await broken.hear('execute')
    const sound = await attach(t, gw, { runnerId: 'sound' })
    const fault = resultOf({}, 'internal_error')
    broken.say({ type: 'result', leaseId: held.leaseId, result: fault })
    await serve(sound, 'mended')
    t.match((await reply).json, { stdout: 'mended', runnerId: 'sound' })
    const text = await metrics(gw)
    t.equal(series(text, 'loopgate_execution_reoffers_total{reason="fault"}'), 1)
    t.equal(series(text, 'loopgate_executions_total{outcome="internal_error"}'), 1, 'the mended one counts once')
  },
)

t.test('a runner that cannot know a request refuses it, and another runs it', async (t) => {
  const gw = await fresh(t)
  const old = await attach(t, gw, { runnerId: 'old' })
  const reply = run(gw)
  const { leaseId } = await old.hear('execute')
  const recent = await attach(t, gw, { runnerId: 'recent' })
  old.say({ type: 'refused', leaseId, reason: 'unknown field' })
  await serve(recent)
  t.match((await reply).json, { runnerId: 'recent' })
})

t.test('a late result under an old lease is acked and dropped; the new one counts', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first' })
  const reply = run(gw)
  const old = await first.hear('execute')
  first.crash()
  const second = await attach(t, gw, { runnerId: 'second' })
  const frame = await second.hear('execute')
  const back = await attach(t, gw, { runnerId: 'first' })
  back.say({ type: 'result', leaseId: old.leaseId, result: resultOf({ stdout: 'late' }) })
  t.equal((await back.hear('ack')).leaseId, old.leaseId)
  second.say({ type: 'result', leaseId: frame.leaseId, result: resultOf({ stdout: 'right' }) })
  t.match((await reply).json, { stdout: 'right', runnerId: 'second' })
  t.equal(series(await metrics(gw), 'loopgate_execution_late_results_total'), 1)
})

t.test('a result computed during a short cut counts if nobody else has the execution', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first', slots: 1 })
  const reply = run(gw)
  const { leaseId } = await first.hear('execute')
  first.crash()
  await waiting(gw, 1)
  const back = await attach(t, gw, { runnerId: 'first', slots: 1 })
  back.say({ type: 'result', leaseId, result: resultOf({ stdout: 'kept' }) })
  t.match((await reply).json, { stdout: 'kept', runnerId: 'first' })
  t.strictSame(
    back.unheard().filter(({ type }) => type === 'execute'),
    [],
    'and it does not run a second time',
  )
})

t.test('a runner that comes back without a result gets the execution anew', async (t) => {
  const gw = await fresh(t)
  const first = await attach(t, gw, { runnerId: 'first', slots: 1 })
  const reply = run(gw)
  await first.hear('execute')
  first.crash()
  await waiting(gw, 1)
  await serve(await attach(t, gw, { runnerId: 'first', slots: 1 }), 'anew')
  t.match((await reply).json, { stdout: 'anew' })
})

t.test("no runner can end another runner's execution", async (t) => {
  const gw = await fresh(t)
  const honest = await attach(t, gw, { runnerId: 'honest' })
  const reply = run(gw)
  const { leaseId } = await honest.hear('execute')
  const thief = await attach(t, gw, { runnerId: 'thief' })
  thief.say({ type: 'busy', leaseId }, { type: 'result', leaseId, result: resultOf({ stdout: 'forged' }) })
  await thief.hear('ack')
  honest.say({ type: 'result', leaseId, result: resultOf({ stdout: 'true' }) })
  t.match((await reply).json, { stdout: 'true' })
})
