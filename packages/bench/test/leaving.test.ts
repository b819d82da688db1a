import t from 'tap'
import { leavingTable } from '../src/report/leaving-table.ts'
import { leavingBench } from '../src/scenarios/leaving.ts'
import { shortRun } from './options.ts'

t.test('when all callers leave, the upstream is left, with followers on another replica too', async (t) => {
  const options = await shortRun(t.testdir(), [])
  const report = await leavingBench({ ...options, replicas: [1, 2], rounds: 3, callers: 4 })
  t.match(report.rows, [
    { replicas: 1, callers: 4, closedAfterMs: { count: 3 } },
    { replicas: 2, callers: 4, closedAfterMs: { count: 3 } },
  ])
  t.match(leavingTable(report), /p99 ms/)
})
