import t from 'tap'
import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import { soakExecutions } from '../src/soak/executions.ts'

removeSpawnHook()

const quiet = { count: 40, concurrency: 4, say: () => {} } as const

for (const [tier, warm] of [
  ['process', false],
  ['process', true],
  ['fork', false],
] as const) {
  t.test(`executions in the tier ${tier}${warm ? ', started ahead,' : ''} leave nothing behind`, async (t) => {
    try {
      const { faults, after } = await soakExecutions({ ...quiet, tier, warm })
      t.strictSame(faults, [], JSON.stringify(after))
    } catch (error) {
      if (!/is not sound here/.test((error as Error).message)) throw error
      t.comment(`skipped: ${(error as Error).message}`)
    }
  })
}
