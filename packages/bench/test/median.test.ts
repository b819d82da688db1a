import t from 'tap'
import { median } from '../src/measure/median.ts'

t.test('one outlier does not move the median', (t) => {
  t.equal(median([5, 1, 1000]), 5)
  t.equal(median([4, 1, 2, 1000]), 3)
  t.throws(() => median([]), RangeError)
  t.end()
})
