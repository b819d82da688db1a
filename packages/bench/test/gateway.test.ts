import t from 'tap'
import { table } from '../src/report/table.ts'
import { GATEWAY_CASES } from '../src/scenarios/cases.ts'
import { gatewayBench } from '../src/scenarios/gateway.ts'
import { shortRun } from './options.ts'

t.test('one run measures every target in every case and sets Loopgate against each', async (t) => {
  const wanted = new Set(['json', 'cache-hit', 'sse-bulk'])
  // Portkey is left out: it would be installed from npm.
  const cases = GATEWAY_CASES.filter(({ name }) => wanted.has(name)).map((load) => ({
    ...load,
    connections: 4,
    targets: load.targets.filter(({ name }) => !name.startsWith('portkey')),
  }))
  const report = await gatewayBench(await shortRun(t.testdir(), cases))

  t.strictSame(report.unavailable, [], 'every target answered every call as it should')
  const pairs = cases.flatMap(({ name, targets }) => targets.map((target) => `${name} ${target.name}`))
  t.strictSame(
    report.rows.map((row) => `${row.case} ${row.target}`),
    pairs,
  )
  for (const row of report.rows) {
    const name = `${row.case} ${row.target}`
    t.ok(row.perSecond > 0, `${name}: something was answered`)
    t.ok(row.cpuUsPerUnit > 0, `${name}: it cost CPU time`)
    t.ok(row.utilisation > 0 && row.utilisation < 1.2, `${name}: on one core`)
    t.equal(row.p50Us === null, row.unit === 'chunk', `${name}: latency of requests only`)
  }
  t.strictSame(
    report.ratios.map((ratio) => `${ratio.case} ${ratio.against}`),
    pairs.filter((pair) => !pair.endsWith(' loopgate')),
  )
  t.strictSame(JSON.parse(JSON.stringify(report)), report, 'the report survives being written as JSON')
  for (const pair of pairs) t.match(table(report), new RegExp(`^${pair.split(' ')[1]} `, 'm'))
})
