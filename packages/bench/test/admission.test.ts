import t from 'tap'
import { admissionTable } from '../src/report/admission-table.ts'
import { admissionBench } from '../src/scenarios/admission.ts'

t.test('loops get answers through Loopgate and without, and the report says how many and at what cost', async (t) => {
  const report = await admissionBench({ say: () => {}, loops: 20, minutes: 0.1, timesFaster: 10 })
  t.equal(report.rows.length, 4)
  for (const { completions, p50Ms, p99Ms, requestsUsed } of report.rows) {
    t.ok(completions > 0 && p99Ms >= p50Ms && requestsUsed > 0)
  }
  t.match(admissionTable(report), /429s seen/)
})
