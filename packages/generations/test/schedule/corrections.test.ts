import t from 'tap'
import { Corrections, type Told } from '../../src/schedule/buckets/corrections.ts'
import { Levels } from '../../src/schedule/buckets/levels.ts'
import { WINDOWS } from '../../src/schedule/buckets/windows.ts'

const LIMITS = { requestsPerMinute: 1000, tokensPerMinute: 100_000 }
const REQUESTS = WINDOWS.findIndex(({ name }) => name === 'requestsPerMinute')
const TOKENS = WINDOWS.findIndex(({ name }) => name === 'tokensPerMinute')
const LATER_MS = 2000

const left = (requests: number, tokens = 100_000): Told => ({
  requests: { minute: { limit: 1000, remaining: requests } },
  tokens: { minute: { limit: 100_000, remaining: tokens } },
})
const opened = () => new Corrections(new Levels(LIMITS, 0))
/** What the bank is told of both windows at a time, while others hold so many requests. */
const told = (corrections: Corrections, nowMs: number, held = 0) => {
  const report = corrections.take(nowMs, held)
  return [report[REQUESTS]?.correction, report[TOKENS]?.correction]
}

t.test('calls of its own that are under way are no difference, in whatever order they were admitted', (t) => {
  const corrections = opened()
  const beliefs = Array.from({ length: 100 }, (_, n) => corrections.believe(n))
  // The first to be granted was the last to be admitted.
  for (const [n, belief] of beliefs.entries()) {
    t.equal(corrections.note(left(1000 - (99 - n)), belief, 10, false), false)
  }
  t.strictSame(told(corrections, LATER_MS), [0, 0])
  t.end()
})

t.test('what other replicas tell later that they have used is no difference', (t) => {
  const corrections = opened()
  corrections.note(left(700, 60_000), corrections.believe(0), 10, false)
  corrections.usedByOthers(TOKENS, 40_000)
  corrections.usedByOthers(REQUESTS, 200)
  t.strictSame(told(corrections, 100), [0, 0], 'too early to tell')
  t.strictSame(told(corrections, LATER_MS, 100), [0, 0], '200 requests are over, 100 under way')
  t.end()
})

t.test('what nobody explains is corrected, once', (t) => {
  const corrections = opened()
  const [first, second] = [corrections.believe(0), corrections.believe(1)]
  corrections.note(left(700, 50_000), first, 10, false)
  corrections.note(left(699, 50_000), second, 10, false)
  corrections.usedByOthers(REQUESTS, 100)
  corrections.usedByOthers(TOKENS, 20_000)
  t.strictSame(told(corrections, LATER_MS), [-199, -30_000])
  t.strictSame(told(corrections, 2 * LATER_MS), [0, 0])
  corrections.note(left(700, 50_000), corrections.believe(0), LATER_MS, false)
  corrections.epoch = 1
  t.strictSame(told(corrections, 3 * LATER_MS), [0, 0], 'another has corrected it')
  t.end()
})

t.test('who is alone corrects at once', (t) => {
  const levels = new Levels(LIMITS, 0)
  const corrections = new Corrections(levels)
  const belief = corrections.believe(0)
  corrections.believe(1)
  corrections.note(left(900, 50_000), belief, 10, true)
  t.equal(levels.at(REQUESTS)?.level, 901)
  t.equal(levels.at(TOKENS)?.level, 50_000)
  t.end()
})

t.test('a limit that was not known: what is left of it, with those who will be counted when they are over', (t) => {
  const levels = new Levels({}, 0)
  const corrections = new Corrections(levels)
  const belief = corrections.believe(99)
  t.equal(corrections.note(left(800), belief, 10, false), true)
  t.equal(levels.at(REQUESTS)?.level, 899)
  t.end()
})
