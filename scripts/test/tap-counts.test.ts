import t from 'tap'
import { readTap } from '../checks/tap-counts.ts'

t.test('counts and files are those of the run', (t) => {
  const tap = [
    'TAP version 14',
    '# Subtest: packages/a/test/a.test.ts',
    '    # Subtest: inner',
    'ok 1 - x',
    '# { total: 12, pass: 10, fail: 1, skip: 1 }',
  ].join('\n')
  t.strictSame(readTap(tap), { passed: 10, failed: 1, skipped: 1, files: ['packages/a/test/a.test.ts'] })
  t.end()
})

t.test('members of value 0 are left out by tap and read as 0', (t) => {
  t.match(readTap('# { total: 3, pass: 3 }'), { passed: 3, failed: 0, skipped: 0 })
  t.end()
})

t.test('output without counts is not a pass', (t) => {
  t.throws(() => readTap('ok 1 - looks fine'), /no line of counts/)
  t.end()
})
