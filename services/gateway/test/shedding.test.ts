import { gateway } from '@loopgate/testkit/gateway'
import { manualClock } from '@loopgate/testkit/clock'
import { answerJson, scratchUpstream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import { until } from '@loopgate/testkit/until'
import * as fc from 'fast-check'
import t from 'tap'
import { createGovernor } from '../src/shedding/governor.ts'
import { createPressure, type Stage } from '../src/shedding/pressure.ts'
import { metric, post, QUESTION } from './completions/kit.ts'
import { send } from './kit/http.ts'

const LIMITS = { heapShare: 0.5, bodyBytes: 1000 }
const LOOK_MS = 100
const SOON_MS = 20_000

t.test(
  'a stage begins at its share of any limit, ends ten percent below it, and is kept for half a second',
  async (t) => {
    const clock = manualClock()
    let share = 0
    const read = () => ({ heapShare: 0.1, bodyBytes: 1000 * share })
    const pressure = createPressure({ clock, read }, { limits: LIMITS, lookMs: LOOK_MS })
    const after = (next: number, ms = LOOK_MS): Stage => {
      share = next
      clock.advance(ms)
      return pressure.stage()
    }
    t.strictSame(
      [0.59, 0.6, 0.79, 0.8, 1, 4].map((level) => after(level)),
      ['none', 'part', 'part', 'batch', 'all', 'all'],
    )
    t.equal(after(0), 'all', 'not at once')
    t.equal(after(0, 600), 'none', 'all at once when it is over')
    t.equal(after(1), 'all')
    t.equal(after(0.91, 2000), 'all', 'not within ten percent')
    t.equal(after(0.89, 2000), 'batch')
    t.equal(after(0.7, 2000), 'part')
    t.equal(after(0.53, 2000), 'none')
    pressure.close()
  },
)

t.test(
  'whatever comes, all is refused whenever a limit is reached, and nothing once all is well for a second',
  async () => {
    const load = fc.record({
      heapShare: fc.double({ min: 0, max: 1, noNaN: true }),
      bodyBytes: fc.nat(2000),
    })
    fc.assert(
      fc.property(fc.array(load, { minLength: 1, maxLength: 60 }), (loads) => {
        const clock = manualClock()
        let now = { heapShare: 0, bodyBytes: 0 }
        const pressure = createPressure({ clock, read: () => now }, { limits: LIMITS, lookMs: LOOK_MS })
        for (const next of loads) {
          now = next
          clock.advance(LOOK_MS)
          const reached = next.heapShare >= 0.5 || next.bodyBytes >= 1000
          if (reached && pressure.stage() !== 'all') return false
        }
        now = { heapShare: 0, bodyBytes: 0 }
        clock.advance(1000)
        pressure.close()
        return pressure.stage() === 'none'
      }),
      { numRuns: 300 },
    )
  },
)

const DONE = { choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: '' } }] }

t.test(
  'a loop that stays late takes on a falling share, one that keeps up all again, and a crowd is not refused',
  async (t) => {
    const clock = manualClock()
    let delayMs = 0
    const governor = createGovernor({ clock, meanDelayMs: () => delayMs }, { limitMs: 100 })
    const shareOf = (count: number): number =>
      Array.from({ length: count }).filter(() => governor.admits()).length / count
    const looks = (count: number, ms: number): number => {
      delayMs = ms
      clock.advance(count * 100)
      return governor.share()
    }
    t.equal(looks(1, 5000), 1, 'late once')
    t.equal(shareOf(5000), 1)
    t.equal(looks(1, 0), 1)
    t.ok(looks(15, 101) < 0.25)
    t.ok(Math.abs(shareOf(10_000) - governor.share()) < 0.001, 'that very share is taken on')
    t.ok(looks(100, 101) > 0, 'some always')
    t.equal(looks(70, 100), 1)
    governor.close()
  },
)

t.test('whatever the delays, the work taken on settles where the loop is as late as it may be', async () => {
  fc.assert(
    fc.property(fc.double({ min: 1.2, max: 5, noNaN: true }), (offered) => {
      const clock = manualClock()
      let queueMs = 0
      const governor = createGovernor({ clock, meanDelayMs: () => queueMs }, { limitMs: 100 })
      let done = 0
      let most = 0
      // A server that does 100 ms of work in 100 ms, and is late by what waits.
      for (let look = 0; look < 400; look++) {
        queueMs += 100 * offered * governor.share()
        const worked = Math.min(queueMs, 100)
        queueMs -= worked
        clock.advance(100)
        if (look < 100) continue
        done += worked
        most = Math.max(most, queueMs)
      }
      governor.close()
      return done >= 0.9 * 300 * 100 && most < 1000
    }),
    { numRuns: 200 },
  )
})

t.test('bodies under way are given up in stages, and the door opens again when they are done', async (t) => {
  const held: ScratchCall[] = []
  const answer = (call: ScratchCall): void => answerJson(call, 200, DONE)
  const isLarge = ({ text }: ScratchCall): boolean => text.length > 5000
  const upstream = await scratchUpstream(t, (call) => (isLarge(call) ? held.push(call) : answer(call)))
  const gw = await gateway(t, { upstreamUrl: upstream.url, env: { LOOPGATE_SHED_BODY_BYTES: '100000' } })
  const tenths = async (): Promise<number> => Math.round((await metric(gw, 'loopgate_pressure_ratio')) * 10)
  const small = (headers: Record<string, string> = {}) => post(gw, QUESTION, headers)
  const underWay: Promise<unknown>[] = []
  const press = async (bytes: number, level: number): Promise<void> => {
    underWay.push(post(gw, { ...QUESTION, user: 'x'.repeat(bytes) }))
    await until(async () => (await tenths()) === level, SOON_MS)
  }

  t.equal((await small()).headers.get('connection'), 'keep-alive')
  await press(65_000, 7)
  t.equal((await small({ 'x-loopgate-priority': 'batch' })).status, 200)
  t.equal((await small()).headers.get('connection'), 'close')
  await press(20_000, 9)
  t.equal((await small()).status, 200)
  const batch = await small({ 'x-loopgate-priority': 'batch' })
  t.match(batch, { status: 503, json: { error: { code: 'overloaded' } } })
  t.ok(Number(batch.headers.get('retry-after')) >= 1)
  await press(18_000, 10)
  for (const path of ['/v1/chat/completions', '/api/executions', '/api/loops', '/completions']) {
    t.equal((await send(gw.url + path, { key: 'nobody knows it', body: QUESTION })).status, 503, path)
  }
  for (const path of ['/healthz', '/metrics', '/api/cache']) {
    t.equal((await send(gw.url + path, { key: gw.apiKey })).status, 200, path)
  }
  t.equal((await send(`${gw.url}/api/keys`, { key: gw.adminKey })).status, 200, 'administration stays')
  t.equal(await metric(gw, 'loopgate_shed_requests_total{why="all"}'), 4)

  held.splice(0).forEach(answer)
  await Promise.all(underWay)
  await until(async () => (await small()).status === 200, SOON_MS)
})
