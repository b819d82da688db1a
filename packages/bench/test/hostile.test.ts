import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import t from 'tap'
import { hostileTable } from '../src/report/hostile-table.ts'
import { hostileBench } from '../src/scenarios/hostile.ts'
import { shortRun } from './options.ts'

removeSpawnHook()

t.test(
  'canaries are served beside hostile programs, and compared with harmless ones of the same appetite',
  async (t) => {
    const options = await shortRun(t.testdir(), [])
    const only = ['a crowd of threads', 'a status that is no byte', 'a loop']
    const report = await hostileBench({ ...options, tiers: ['process', 'isolate'], only })
    const names = (tier: string) => report.rows.flatMap((row) => (row.tier === tier ? row.name : []))
    const harmless = [
      'alone',
      'harmless short programs',
      'a harmless busy program',
      'a harmless busy program for each core',
    ]
    const expected = {
      process: [...harmless, 'a crowd of threads that spin', 'a status that is no byte'],
      isolate: [...harmless, 'a loop', 'a loop that catches everything'],
    }
    // Where the machine refuses a tier its row says so.
    const refused = new Set(report.unavailable.map(({ name }) => name))
    for (const [tier, wanted] of Object.entries(expected)) if (!refused.has(tier)) t.same(names(tier), wanted)
    for (const { tier, name, kind, canary, like, overAlone } of report.rows) {
      t.ok(canary.count > 0 && canary.p99 >= canary.p50, `${tier}, ${name}: ${canary.count} canaries`)
      t.equal(like === null, kind !== 'hostile', `${name} is compared with ${like ?? 'nothing'}`)
      t.ok(overAlone.p99 > 0)
    }
    t.match(hostileTable(report), refused.size === 2 ? /not measured/ : /p99\/like[^]*alone/)
  },
)
