import { gateway } from '@loopgate/testkit/gateway'
import { lossyWay } from '@loopgate/testkit/lossy-way'
import { runner } from '@loopgate/testkit/runner'
import t from 'tap'
import { metrics } from '../kit/executions.ts'
import { series } from '../kit/http.ts'
import { noSandboxes } from '../kit/real-runner.ts'
import { allSlotsBack, eventually, marker, processesWith, runnersOf, sleepers } from './kit.ts'

const ACTIVE = 20
const skip = await noSandboxes(t)

/** A twentieth of the shipped one, so this cut is one of a minute; shorter, a busy machine would seem cut off. */
const HEARTBEAT_MS = 250
const CUT_HEARTBEATS = 12

t.test(
  'a network cut for twelve heartbeats: each execution ends once, late results are refused, slots are back',
  { skip },
  async (t) => {
    const gw = await gateway(t, { redis: null }, { heartbeatMs: HEARTBEAT_MS })
    const way = await lossyWay(t, gw.url)
    const named = (id: string) => ({ LOOPGATE_RUNNER_ID: id })
    await runner(t, { gatewayUrl: way.url, token: gw.runnerToken, slots: ACTIVE, env: named('cut-off') })
    const { ends } = sleepers(gw, ACTIVE, marker(0))
    const cut = async (): Promise<void> => {
      await eventually(async () => (await runnersOf(gw)).some(({ running }) => running === ACTIVE))
      way.cut()
    }
    await cut()
    await eventually(async () => (await runnersOf(gw)).length === 0)
    await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: ACTIVE, env: named('reachable') })
    const ended = await ends
    for (const { index, result } of ended) t.match(result, { stdout: `${index}\n`, runnerId: 'reachable' })

    await new Promise((resolve) => setTimeout(resolve, CUT_HEARTBEATS * HEARTBEAT_MS))
    way.mend()
    await eventually(async () => (await runnersOf(gw)).length === 2)
    await eventually(async () => series(await metrics(gw), 'loopgate_execution_late_results_total') === ACTIVE)
    t.equal(series(await metrics(gw), 'loopgate_executions_total{outcome="ok"}'), ACTIVE, 'none of them counted again')
    await eventually(() => allSlotsBack(gw))
  },
)

t.test('what is computed during a short cut is delivered after it, and nothing runs twice', { skip }, async (t) => {
  const gw = await gateway(t, { redis: null }, { heartbeatMs: HEARTBEAT_MS })
  const way = await lossyWay(t, gw.url)
  await runner(t, { gatewayUrl: way.url, token: gw.runnerToken, slots: 4 })
  const sleep = marker(0)
  const { ends } = sleepers(gw, 4, sleep)
  await eventually(async () => (await runnersOf(gw)).some(({ running }) => running === 4))
  way.cut()
  await eventually(async () => (await runnersOf(gw)).length === 0)
  await eventually(() => processesWith(sleep) === 0)
  way.mend()
  t.ok((await ends).every(({ result, index }) => result?.stdout === `${index}\n`))
  const text = await metrics(gw)
  t.equal(series(text, 'loopgate_execution_late_results_total'), 0)
  t.equal(series(text, 'loopgate_executions_total{outcome="ok"}'), 4)
})
