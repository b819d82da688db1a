import { freePort, redis } from '@loopgate/testkit/redis'
import { gateway, gatewayProcess } from '@loopgate/testkit/gateway'
import { processesWith } from '@loopgate/testkit/processes'
import { runner } from '@loopgate/testkit/runner'
import { allSlotsBack, eventually, marker, runnersOf, sleepers } from '@loopgate/testkit/sleepers'
import t from 'tap'
import { metrics } from '../kit/executions.ts'
import { series } from '../kit/http.ts'
import { noSandboxes } from '../kit/real-runner.ts'

const ACTIVE = 20
const skip = await noSandboxes(t)

t.test(
  'SIGKILL of a runner with twenty active: each execution ends once, on another, and all slots are back',
  { skip },
  async (t) => {
    const gw = await gateway(t, { redis: null })
    const victim = await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: ACTIVE })
    const sleep = marker(1)
    const { ends } = sleepers(gw, ACTIVE, sleep)
    await eventually(async () => (await runnersOf(gw)).some(({ running }) => running === ACTIVE))
    await eventually(() => processesWith(sleep).length >= 1)
    victim.kill('SIGKILL')
    await victim.exited
    await eventually(() => processesWith(sleep).length === 0)
    t.pass('its sandboxes died with it')
    const heir = await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: ACTIVE })
    for (const { index, result, failure } of await ends) {
      t.equal(failure, null)
      t.match(result, { outcome: 'ok', stdout: `${index}\n` })
    }
    const text = await metrics(gw)
    const ok = series(text, 'loopgate_executions_total{outcome="ok"}')
    const lost = series(text, 'loopgate_execution_reoffers_total{reason="lost"}')
    t.equal(ok, ACTIVE, 'each counted once')
    t.ok(lost > 0 && lost <= ACTIVE, `${lost} were offered again`)
    await eventually(() => allSlotsBack(gw))
    t.equal((await runnersOf(gw)).length, 1)
    heir.kill()
  },
)

t.test(
  'SIGKILL of the gateway with twenty active: each caller hears of it once, and its successor has every slot',
  { skip },
  async (t) => {
    const store = await redis(t)
    const env = { LOOPGATE_PORT: String(await freePort()), LOOPGATE_RUNNER_TOKEN: 'lgr-of-both' }
    const first = await gatewayProcess(t, { redis: store, env })
    await runner(t, { gatewayUrl: first.url, token: env.LOOPGATE_RUNNER_TOKEN, slots: ACTIVE })
    const sleep = marker(2)
    const { ends } = sleepers(first, ACTIVE, sleep)
    await eventually(async () => (await runnersOf(first)).some(({ running }) => running === ACTIVE))
    first.child.kill('SIGKILL')
    t.ok(
      (await ends).every(({ failure }) => failure === 'cut'),
      'no caller was told a result, or waits for ever',
    )

    const second = await gatewayProcess(t, { redis: store, env })
    await eventually(() => allSlotsBack(second))
    await eventually(() => processesWith(sleep).length === 0)
    const again = await sleepers(second, ACTIVE, marker(0)).ends
    t.ok(again.every(({ result, index }) => result?.stdout === `${index}\n`))
    const text = await metrics({ ...second } as never)
    t.equal(series(text, 'loopgate_executions_total{outcome="ok"}'), ACTIVE)
    t.equal(series(text, 'loopgate_execution_late_results_total'), 0, 'the dead one’s results went to nobody')
  },
)
