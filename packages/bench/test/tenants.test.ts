import t from 'tap'
import { tenantsTable } from '../src/report/tenants-table.ts'
import { tenantsBench } from '../src/scenarios/tenants.ts'
import { shortRun } from './options.ts'

t.test('tenants are compared: what another has asked for is paid for again, and the test sees a hit', async (t) => {
  const report = await tenantsBench({ ...(await shortRun(t.testdir(), [])), samples: 20 })
  t.equal(report.upstreamCallsPerRound, 3, 'each of the four answers but the hit')
  for (const { count } of [report.second, report.miss, report.hit]) t.equal(count, 20)
  t.ok(report.hitAgainstMiss.p < 0.01 && report.hitAgainstMiss.larger < 0.5, 'a hit stands off')
  t.match(tenantsTable(report), /first against second row: p = \d\.\d{3}/)
})
