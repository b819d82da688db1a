import type { CheckResult } from '@loopgate/contracts'
import { executionResult as result } from '@loopgate/testkit/execution-result'
import t from 'tap'
import { judge } from '../src/index.ts'
import { loopRequest } from './world.ts'

const check = (id: string) => ({ id, entryPoint: 'add', source: 'x', prelude: '' })
const record = (checkId: string, verdict: CheckResult['verdict'], evidence = ''): CheckResult => ({
  checkId,
  verdict,
  evidence,
  calls: 1,
  answered: 1,
  candidateSha256: 'x',
  durationMs: 1,
})
t.test('a candidate passes when every check asked for says so', async (t) => {
  const checks = [check('a'), check('b')]
  t.strictSame(judge(checks, result({ checks: [record('a', 'pass'), record('b', 'pass')] })), {
    outcome: 'ok',
    verdict: 'pass',
    evidence: '',
  })
  t.match(judge(checks, result({ checks: [record('a', 'pass'), record('b', 'fail', 'b differs')] })), {
    verdict: 'fail',
    evidence: 'b differs',
  })
})

t.test('a check without a record is an error, whatever the exit status says', async (t) => {
  t.match(judge([check('a')], result({ stdout: 'all passed', stderr: 'boom' })), {
    verdict: 'error',
    evidence: 'ok: check a gave no verdict\nboom',
  })
  t.match(judge([check('a')], result({ checks: [record('other', 'pass')] })), { verdict: 'error' })
  t.match(judge([check('a'), check('b')], result({ checks: [record('a', 'pass'), record('a', 'pass')] })), {
    verdict: 'error',
  })
})

t.test('a fault of the runner judges nobody', async (t) => {
  t.equal(judge([check('a')], result({ outcome: 'internal_error', checks: [record('a', 'fail')] })), null)
})

t.test('evidence is bounded and tells what the candidate printed if the check says nothing', async (t) => {
  const long = judge([check('a')], result({ checks: [record('a', 'fail', 'x'.repeat(9_000))] }))
  t.equal(long?.evidence.length, 4_096)
  t.match(judge([check('a')], result({ stderr: 'Traceback', checks: [record('a', 'error')] })), {
    evidence: 'Traceback',
  })
})

t.test('a loop has at least one check, so that nothing passes unexamined', async (t) => {
  t.throws(() => loopRequest({ checks: [] }))
})
