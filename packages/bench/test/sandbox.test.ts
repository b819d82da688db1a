import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import t from 'tap'
import { sandboxTable } from '../src/report/sandbox-table.ts'
import { sandboxBench } from '../src/scenarios/sandbox.ts'
import { shortRun } from './options.ts'

removeSpawnHook()

t.test('the benchmark of sandboxes measures what runs, says what does not, and compares with a process', async (t) => {
  const options = await shortRun(t.testdir(), [])
  const report = await sandboxBench({
    ...options,
    only: ['bare python', 'isolate javascript'],
    throughGateway: [{ tier: 'isolate', language: 'javascript' }],
  })
  // Where the machine refuses namespaces a row says so, and the rest is measured all the same.
  const names = [...report.rows, ...report.unavailable].map(({ name }) => name)
  t.same(names.toSorted(), ['bare python', 'isolate javascript', 'isolate javascript, checked'])
  for (const row of [...report.rows, ...report.throughGateway]) {
    t.ok(row.executions > 0 && row.perSecond > 0, `${row.name}: ${row.executions} executions`)
    t.ok(row.p99Ms >= row.p50Ms, `${row.name}: its latencies are in order`)
    t.ok(row.cpuMs === null || row.cpuMs > 0, `${row.name}: it cost something`)
  }
  t.match(sandboxTable(report), /executions\/s[\s\S]*bare python[\s\S]*through the gateway/)
})
