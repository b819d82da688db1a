import t from 'tap'
import { chaos } from '../chaos/chaos.ts'
import { parseChaosOptions } from '../chaos/options.ts'
import { testStack } from './test-stack.ts'

t.test('loops end as foretold while processes of the stack are killed at random', async (t) => {
  const { stack } = await testStack(t)
  const seed = Math.floor(Math.random() * 100_000)
  t.comment(`seed ${seed}`)
  const report = await chaos(stack, { kills: 4, problems: 16, seed, cutSeconds: null }, (line) => t.comment(line))
  t.strictSame(report.mismatches, [])
  t.strictSame(report.lineages, [])
  t.equal(report.solved, report.expectedSolved)
  t.ok(report.killed.length > 0, 'something was killed')
})

t.test('a bad option of the chaos run is refused by name', (t) => {
  t.match(parseChaosOptions(['--seed', '7']), { kills: 12, problems: 60, seed: 7, cutSeconds: null })
  t.match(parseChaosOptions(['--cut', '60']), { cutSeconds: 60 })
  t.throws(() => parseChaosOptions(['--cut', 'long']), /--cut takes a whole number/)
  t.throws(() => parseChaosOptions(['--kills', 'many']), /--kills takes a whole number/)
  t.throws(() => parseChaosOptions(['--problems', '165']), /--problems/)
  t.end()
})
