import t from 'tap'
import { overloadTable } from '../src/report/overload-table.ts'
import { overloadBench } from '../src/scenarios/overload.ts'
import { shortRun } from './options.ts'

t.test('every caller of an overload is accounted for, and what is asked for below the capacity is done', async (t) => {
  const { cases: _cases, ...options } = await shortRun(t.testdir(), [])
  const report = await overloadBench({ ...options, factors: [0.2, 2], events: 50 })
  t.ok(report.capacityPerSecond > 0)
  for (const { factor, offered, good, refused, late, failed } of report.rows) {
    t.equal(good + refused + late + failed, offered, `${factor}x: nobody is lost`)
    t.ok(good > 0, `${factor}x: something is done`)
  }
  t.match(overloadTable(report), /capacity/)
})
