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
  t.strictSame(readTap(tap), { passed: 10, failed: 1, skipped: 1, files: ['packages/a/test/a.test.ts'], failures: [] })
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

t.test('a failure is told once, with its file and what tap says of it', (t) => {
  const tap = `# Subtest: a.test.ts
    # Subtest: outer
        not ok 1 - deep
          ---
          diff: |
            -1
            +2
          ...
        ok 2 - well
        1..2
    not ok 1 - outer # time=3ms
    ok 2 - other
    not ok 3 - flat
not ok 1 - a.test.ts # time=3ms
# Subtest: b.test.ts
    ok 1 - fine
ok 2 - b.test.ts
# { total: 4, pass: 2, fail: 2 }`
  const { failures } = readTap(tap)
  t.equal(failures.length, 2)
  t.match(failures[0], /^a\.test\.ts: not ok 1 - deep\n +diff: \|\n +-1\n +\+2$/)
  t.equal(failures[1], 'a.test.ts: not ok 3 - flat')
  t.end()
})
