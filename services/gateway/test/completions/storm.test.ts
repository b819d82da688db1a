import { manualClock } from '@loopgate/testkit/clock'
import { gateway } from '@loopgate/testkit/gateway'
import { sumOf } from '@loopgate/testkit/metrics'
import { redis } from '@loopgate/testkit/redis'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { until } from '@loopgate/testkit/until'
import t from 'tap'
import { post, QUESTION } from './kit.ts'

const SOON_MS = 20_000
const WINDOW_MS = 100
const STORM = { fromMs: 2000, toMs: 32_000 }
const ASKED_MS = 50_000
/** A busy machine must not make a replica go on without the others. */
const SLOW_REDIS = { LOOPGATE_CACHE_TIMEOUT_MS: '10000' }

for (const [kind, perWindow, replicas] of [
  ['queue_exceeded', 3, 1],
  // Its replies name the limits of the developer tier: 16.7 requests a second.
  ['token_quota_exceeded', 1, 1],
  ['queue_exceeded', 1, 2],
] as const) {
  t.test(
    `thirty seconds of ${kind} at ${replicas} are a handful of calls; then all go at a steady pace, and none is lost`,
    async (t) => {
      const clock = manualClock()
      const sim = await cerebrasSim(t, { clock })
      const options = { upstreamUrl: sim.url, redis: replicas === 1 ? null : await redis(t), env: SLOW_REDIS }
      const gates = await Promise.all(Array.from({ length: replicas }, () => gateway(t, options, { clock })))
      let [asked, answered] = [0, 0]
      const failed: string[] = []
      const ask = async (serial: number): Promise<void> => {
        const stream = serial % 2 === 1
        const body = { ...QUESTION, max_completion_tokens: 20, stream }
        const gate = gates[serial % replicas] ?? gates[0]
        if (gate === undefined) throw new Error('no gateway')
        const { status, text } = await post(gate, body, { 'x-loopgate-loop': `loop-${serial % 20}` })
        answered++
        if (status !== 200 || (stream && !text.includes('[DONE]'))) failed.push(`${status} ${text}`)
      }
      /** Nothing is on its way: whoever is not answered waits. */
      const settled = () => until(async () => (await waiting()) + answered === asked, SOON_MS)
      const waiting = () => sumOf(gates, 'loopgate_queue_depth{class="loop"}')

      const windows: number[] = []
      let before = 0
      while (clock.now() < ASKED_MS || answered < asked) {
        if (clock.now() === STORM.fromMs) await sim.faults({ kind })
        if (clock.now() === STORM.toMs) await sim.clearFaults()
        if (clock.now() < ASKED_MS) for (let n = 0; n < perWindow; n++) void ask(asked++)
        await settled()
        const { requests } = await sim.stats()
        windows.push(requests - before)
        before = requests
        clock.advance(WINDOW_MS)
      }
      t.strictSame(failed, [], 'nothing is lost, and nobody hears of it')
      t.ok(before <= asked * 1.2, `${before} calls for ${asked}`)
      const stormy = windows.slice(STORM.fromMs / WINDOW_MS, STORM.toMs / WINDOW_MS)
      const during = stormy.reduce((a, b) => a + b, 0)
      t.ok(during <= 30 + perWindow, `${during} calls during the storm`)
      // From the first that got through for as long as others come.
      const after = windows.slice(STORM.toMs / WINDOW_MS, ASKED_MS / WINDOW_MS)
      const release = after.slice(after.findIndex((count) => count > 0))
      const mean = release.reduce((a, b) => a + b, 0) / release.length
      t.ok(mean > perWindow, 'what has gathered goes too')
      t.ok(Math.max(...release) <= 2 * mean, `at most ${Math.max(...release)} in ${WINDOW_MS} ms, ${mean} in the mean`)
    },
  )
}
