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

t.test('a loop that stays late takes on no more than it gets done, and a crowd is not refused', async (t) => {
  const clock = manualClock()
  let delayMs = 0
  const governor = createGovernor({ clock, loopDelayMs: () => delayMs }, { limitMs: 100 })
  /** So many come in each look of 100 ms, and at most `capable` of those taken on are answered in it; gives how many were taken on. */
  const looks = (count: number, { come, capable, ms }: { come: number; capable: number; ms: number }): number => {
    delayMs = ms
    let taken = 0
    for (let look = 0; look < count; look++) {
      for (let at = 0; at < 10; at++) {
        for (let one = 0; one < come / 10; one++) if (governor.admits()) taken++
        clock.advance(10)
      }
      for (let one = 0; one < capable; one++) governor.ended()
    }
    return taken
  }
  t.equal(looks(1, { come: 5000, capable: 100, ms: 5000 }), 5000, 'late once')
  t.equal(looks(1, { come: 500, capable: 100, ms: 0 }), 500)
  looks(12, { come: 500, capable: 100, ms: 150 })
  const late = looks(1, { come: 500, capable: 100, ms: 150 })
  t.ok(late > 60 && late <= 110, `about what gets done: ${late}`)
  t.ok(governor.share() > 0.1 && governor.share() < 0.25, String(governor.share()))
  t.ok(looks(100, { come: 500, capable: 0, ms: 150 }) > 0, 'some always')
  const back = looks(10, { come: 500, capable: 200, ms: 20 })
  t.ok(back > 10 * 25, `a part of what it once has shown that it can do, at once: ${back}`)
  t.equal(looks(60, { come: 50, capable: 50, ms: 0 }), 60 * 50, 'everybody who comes')
  t.equal(governor.share(), 1)
  t.equal(looks(1, { come: 5000, capable: 100, ms: 0 }), 5000, 'a crowd again, once nobody was refused for long')
  governor.close()
})

t.test('whatever is offered, nearly all that can be done is done, soon, and the rest is refused', async () => {
  const offers = fc.record({
    /** As a multiple of what can be done. */
    offered: fc.double({ min: 1.2, max: 5, noNaN: true }),
    /** An answer takes so long beside the work that it is, as its upstream does. */
    lagLooks: fc.integer({ min: 0, max: 5 }),
  })
  fc.assert(
    fc.property(offers, ({ offered, lagLooks }) => {
      const clock = manualClock()
      let waiting = 0
      const underWay: number[] = Array.from({ length: lagLooks }, () => 0)
      const governor = createGovernor({ clock, loopDelayMs: () => waiting }, { limitMs: 100 })
      let done = 0
      let most = 0
      // A server that answers 100 in 100 ms, and is late by one ms for each that waits.
      for (let look = 0; look < 400; look++) {
        let taken = 0
        for (let at = 0; at < 10; at++) {
          for (let one = 0; one < 10 * offered; one++) if (governor.admits()) taken++
          clock.advance(10)
        }
        underWay.push(taken)
        waiting += underWay.shift() ?? 0
        const worked = Math.min(waiting, 100)
        waiting -= worked
        for (let one = 0; one < worked; one++) governor.ended()
        if (look < 100) continue
        done += worked
        most = Math.max(most, waiting)
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
