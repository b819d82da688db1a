import { cutFaults, cutNetwork } from '@loopgate/testkit/cut-network'
import { gateway } from '@loopgate/testkit/gateway'
import { lossyWay } from '@loopgate/testkit/lossy-way'
import { processesWith } from '@loopgate/testkit/processes'
import { runner } from '@loopgate/testkit/runner'
import { eventually, marker, runnersOf, sleepers } from '@loopgate/testkit/sleepers'
import t from 'tap'
import { metrics } from '../kit/executions.ts'
import { series } from '../kit/http.ts'
import { noSandboxes } from '../kit/real-runner.ts'

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
    const cutFor = () => new Promise((resolve) => setTimeout(resolve, CUT_HEARTBEATS * HEARTBEAT_MS))
    const say = (text: string): void => t.comment(text)
    const report = await cutNetwork(t, gw, { active: ACTIVE, sleepSeconds: 0, cutFor, say })
    t.equal(report.ends.length, ACTIVE)
    t.strictSame(cutFaults(report), [])
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
  await eventually(() => processesWith(sleep).length === 0)
  way.mend()
  t.ok((await ends).every(({ result, index }) => result?.stdout === `${index}\n`))
  const text = await metrics(gw)
  t.equal(series(text, 'loopgate_execution_late_results_total'), 0)
  t.equal(series(text, 'loopgate_executions_total{outcome="ok"}'), 4)
})
