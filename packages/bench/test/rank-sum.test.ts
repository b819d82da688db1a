import * as fc from 'fast-check'
import t from 'tap'
import { rankSum } from '../src/measure/rank-sum.ts'

t.test('samples that can be ranked by hand have the p-value that the hand finds', async (t) => {
  // 12 of the 5 x 8 pairs, no ties: z = (|12 - 20| - 0.5) / sqrt(5 x 8 x 14 / 12) = 1.0979, two-sided 0.2723.
  const first = [78, 64, 75, 45, 82]
  const second = [110, 70, 53, 51, 80, 90, 100, 120]
  const { larger, p } = rankSum(first, second)
  t.equal(larger, 12 / 40)
  t.ok(Math.abs(p - 0.2723) < 0.0005, String(p))
})

t.test('equal samples differ in nothing, and samples apart differ beyond doubt', async (t) => {
  const same = Array.from({ length: 50 }, (_, index) => index % 7)
  t.equal(rankSum(same, same).larger, 0.5)
  t.ok(rankSum(same, same).p > 0.999_999)
  t.strictSame(rankSum([1, 1], [1, 1]), { larger: 0.5, p: 1 })
  const apart = rankSum(
    same,
    same.map((value) => value + 100),
  )
  t.equal(apart.larger, 0)
  t.ok(apart.p < 1e-15)
  t.throws(() => rankSum([], [1]), RangeError)
})

t.test('it does not matter which sample comes first, nor by what scale they are measured', async () => {
  const sample = fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(sample, sample, (first, second) => {
      const { larger, p } = rankSum(first, second)
      const back = rankSum(second, first)
      const scaled = rankSum(
        first.map((value) => value * 3 + 1),
        second.map((value) => value * 3 + 1),
      )
      if (Math.abs(larger + back.larger - 1) > 1e-9 || Math.abs(p - back.p) > 1e-9) throw new Error('one-sided')
      if (scaled.p !== p || scaled.larger !== larger) throw new Error('scaled')
      if (p < 0 || p > 1) throw new Error(`p = ${p}`)
    }),
  )
})
