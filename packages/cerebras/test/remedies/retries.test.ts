import * as fc from 'fast-check'
import t from 'tap'
import { createRetries, UpstreamFault } from '../../src/index.ts'
import type { FaultKind } from '../../src/faults/upstream-fault.ts'

const failed = (kind: FaultKind = 'failing') => new UpstreamFault('LG_UPSTREAM_ERROR', { kind })

t.test('a request is repeated twice at most, with a backoff whose bound doubles', async (t) => {
  const retries = createRetries({ random: () => 0.999_999 })
  const request = retries.begin()
  t.equal(Math.round(request.again(failed(), 60_000) ?? 0), 200)
  t.equal(Math.round(request.again(failed(), 60_000) ?? 0), 400)
  t.equal(request.again(failed(), 60_000), null)
})

t.test('what another try would meet again, or what waits for its bucket, is no retry', async (t) => {
  const retries = createRetries()
  for (const kind of ['refused', 'unpaid', 'key_refused', 'tokens_exhausted', 'congested', 'cut'] as const) {
    t.equal(retries.begin().again(failed(kind), 60_000), null, kind)
  }
  t.equal(retries.repeating(), 0)
})

t.test('a backoff that ends behind the deadline is not begun, and takes nothing from the budget', async (t) => {
  const retries = createRetries({ random: () => 0.5 })
  const request = retries.begin()
  t.equal(request.again(failed(), 100), null)
  t.equal(retries.repeating(), 0)
  t.equal(request.again(failed(), 101), 100)
})

t.test(
  'whatever happens, repetitions are a fifth of what is under way or three, and every place is given back',
  async (t) => {
    const steps = fc.array(
      fc.record({ act: fc.constantFrom('begin', 'begin', 'fail', 'fail', 'end'), which: fc.nat(1000) }),
      { maxLength: 400 },
    )
    fc.assert(
      fc.property(steps, fc.double({ min: 0, max: 0.999, noNaN: true }), (list, drawn) => {
        const retries = createRetries({ random: () => drawn })
        const open: ReturnType<typeof retries.begin>[] = []
        for (const { act, which } of list) {
          const at = open.length === 0 ? -1 : which % open.length
          if (act === 'begin') open.push(retries.begin())
          else if (act === 'end') open.splice(Math.max(at, 0), 1)[0]?.end()
          else {
            const before = retries.repeating()
            const delayMs = open[at]?.again(failed(), 60_000) ?? null
            if (delayMs !== null && (delayMs < 0 || delayMs > 400)) return false
            if (retries.repeating() > before && retries.repeating() > Math.max(3, Math.floor(retries.underWay() * 0.2)))
              return false
          }
          if (retries.underWay() !== open.length) return false
        }
        for (const request of open) {
          request.end()
          request.end()
        }
        return retries.underWay() === 0 && retries.repeating() === 0
      }),
    )
    t.pass('held')
  },
)

t.test(
  'a thousand of which each fails at once cost a fifth more in all, however soon the repetitions end',
  async (t) => {
    const retries = createRetries({ random: () => 0 })
    const requests = Array.from({ length: 1000 }, () => retries.begin())
    let repetitions = 0
    for (const request of requests) {
      if (request.again(failed(), 60_000) !== null) repetitions++
      request.end()
    }
    // The last fifteen have the floor alone.
    t.ok(repetitions >= 200 && repetitions <= 215, String(repetitions))
  },
)

t.test('backoffs of those who fail together are spread over the whole of their range', async (t) => {
  const retries = createRetries({ share: 1 })
  const delays = Array.from({ length: 500 }, () => retries.begin()).map((each) => each.again(failed(), 60_000) ?? -1)
  for (const [from, to] of [
    [0, 50],
    [50, 100],
    [100, 150],
    [150, 200],
  ] as const) {
    const within = delays.filter((ms) => ms >= from && ms < to).length
    t.ok(within > 60, `${within} of 500 between ${from} and ${to} ms`)
  }
})
