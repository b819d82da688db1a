import t from 'tap'
import { coalescingTable } from '../src/report/coalescing-table.ts'
import { coalescingBench } from '../src/scenarios/coalescing.ts'
import { shortRun } from './options.ts'

t.test('equal calls cost one upstream call with coalescing, over replicas too, and one each without', async (t) => {
  const options = await shortRun(t.testdir(), [])
  const report = await coalescingBench({ ...options, replicas: [1, 2], callers: [1, 40] })

  t.equal(report.rows.length, 8)
  for (const row of report.rows) {
    const name = `${row.replicas} replicas, ${row.callers} callers, coalescing ${row.coalescing}`
    t.equal(row.upstreamCalls, row.coalescing ? row.bursts : row.bursts * row.callers, name)
    t.ok(row.equalContents, `${name}: everybody got the same text`)
    t.ok(row.cpuUsPerCaller > 0 && row.p99Ms >= row.p50Ms, name)
  }
  t.match(coalescingTable(report), /upstream calls/)
})
