import * as fc from 'fast-check'
import t from 'tap'
import { createBucket } from '../../src/limits/bucket.ts'

t.test('a bucket refills in proportion to time and never above its capacity', async (t) => {
  const bucket = createBucket(600, 60_000, 0)
  bucket.settle(0, 600, 0)
  t.equal(bucket.available(0), 0)
  t.equal(bucket.available(1000), 10)
  t.equal(bucket.available(30_000), 300)
  t.equal(bucket.available(90_000), 600)
  t.equal(bucket.available(80_000), 600, 'a clock that goes back takes nothing away')
})

t.test('a reservation holds room without using it up; settling debits what was used', async (t) => {
  const bucket = createBucket(100, 60_000, 0)
  bucket.reserve(70)
  t.equal(bucket.available(0), 100, 'a reservation does not show in what is left')
  t.equal(bucket.fits(30, 0), true)
  t.equal(bucket.fits(31, 0), false)
  bucket.settle(70, 20, 0)
  t.equal(bucket.available(0), 80)
  t.equal(bucket.fits(80, 0), true)
})

t.test('what is admitted never exceeds capacity plus refill, whatever the order of events', async (t) => {
  const event = fc.record({
    waitMs: fc.nat(20_000),
    amount: fc.nat(120),
    usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const bucket = createBucket(100, 60_000, 0)
      let nowMs = 0
      let used = 0
      const open: Array<{ amount: number; share: number }> = []
      for (const { waitMs, amount, usedShare } of events) {
        nowMs += waitMs
        if (bucket.fits(amount, nowMs)) {
          bucket.reserve(amount)
          open.push({ amount, share: usedShare })
        } else {
          const ended = open.shift()
          if (ended === undefined) continue
          bucket.settle(ended.amount, ended.amount * ended.share, nowMs)
          used += ended.amount * ended.share
        }
      }
      return used <= 100 + (nowMs * 100) / 60_000 + 1e-6 && bucket.available(nowMs) >= -1e-6
    }),
  )
  t.pass('no counterexample')
})
