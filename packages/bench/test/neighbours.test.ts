import t from 'tap'
import { neighboursTable } from '../src/report/neighbours-table.ts'
import { neighboursBench } from '../src/scenarios/neighbours.ts'
import { shortRun } from './options.ts'

t.test('a tenant that is out of its quota is refused, and the other gets every answer', async (t) => {
  const { cases: _cases, ...options } = await shortRun(t.testdir(), [])
  const report = await neighboursBench({ ...options, factors: [10] })
  for (const { alone, beside, loud } of report.rows) {
    t.strictSame([alone.errors, beside.errors], [0, 0])
    t.ok(alone.times.count > 0 && beside.times.count > 0)
    t.equal(loud.good + loud.refused + loud.late + loud.failed, loud.offered)
    t.ok(loud.refused > 0)
    t.equal(loud.failed, 0)
  }
  t.match(neighboursTable(report), /p99 \d/)
})
