import { manualClock } from '@loopgate/testkit/clock'
import t from 'tap'
import { asking, MODEL, scheduler, used } from './asking.ts'

t.test('one that has to call again waits one round of the others, however much it then reserves', (t) => {
  const clock = manualClock()
  const desk = scheduler(clock, { requestsPerMinute: 60, tokensPerMinute: 60_000 })
  desk.estimates.learnUsed(MODEL, 400, 300)
  const turns: string[] = []
  const loop = (flow: string): void =>
    void desk.ask(
      asking(clock, 300, {
        flow,
        deadlineMs: clock.now() + 10_000_000,
        granted(grant) {
          turns.push(flow)
          grant.taken()
          grant.settle(used(300))
          clock.after(1, () => loop(flow))
        },
      }),
    )
  for (let n = 0; n < 20; n++) loop(`loop-${n}`)
  clock.advance(60_000)
  // A bound of ours has cut it off.
  const once = asking(clock, 300, { flow: 'cut', deadlineMs: clock.now() + 10_000_000 })
  desk.ask(once)
  for (let n = 0; n < 60 && once.told.grants.length === 0; n++) clock.advance(1000)
  once.told.grants[0]?.settle(used(300))
  const again = { ...once, amounts: { requests: 1, tokens: 16_384, totalTokens: 16_384 } }
  t.ok(desk.again(again))
  turns.length = 0
  for (let n = 0; n < 600 && once.told.grants.length < 2; n++) clock.advance(1000)
  t.equal(once.told.grants.length, 2)
  t.ok(turns.length <= 40, `after ${turns.length} turns of twenty others`)
  t.end()
})

t.test('where requests run out first, a loop of long answers has as many turns as one of short ones', (t) => {
  const clock = manualClock()
  // Tokens for a thousand requests of a thousand tokens, but only for 60 requests a minute.
  const desk = scheduler(clock, { requestsPerMinute: 60, tokensPerMinute: 60_000_000 })
  const served = new Map<string, number>()
  const loop = (flow: string, tokens: number): void => {
    const one = asking(clock, tokens, {
      flow,
      deadlineMs: clock.now() + 10_000_000,
      granted(grant) {
        served.set(flow, (served.get(flow) ?? 0) + 1)
        clock.after(100, () => {
          grant.taken()
          grant.settle(used(tokens / 10))
          loop(flow, tokens)
        })
      },
    })
    desk.ask(one)
  }
  for (let n = 0; n < 20; n++) loop(`short-${n}`, 300)
  for (let n = 0; n < 20; n++) loop(`long-${n}`, 16_384)
  for (let n = 0; n < 40 * 60; n++) clock.advance(1000)
  const turns = [...served.values()]
  t.equal(turns.length, 40)
  t.ok(Math.max(...turns) - Math.min(...turns) <= 2, `${Math.min(...turns)} to ${Math.max(...turns)} turns`)
  t.end()
})
