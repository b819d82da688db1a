import t from 'tap'
import { executionRequestSchema } from '@loopgate/contracts'
import { systemClock, type Clock } from '@loopgate/service-kit'
import { createSandbox } from '@loopgate/sandbox'
import { until } from './support/processes.ts'
import { logger, sandboxFor, TIER, TOOLS } from './support/sandbox.ts'

// Skips the file where there are no sandboxes.
await sandboxFor(t)

t.test('no timer outlives its execution, however short that was', async (t) => {
  const pending = new Set<object>()
  const clock: Clock = {
    ...systemClock,
    after(ms, action) {
      const timer = {}
      pending.add(timer)
      const cancel = systemClock.after(ms, () => {
        pending.delete(timer)
        action()
      })
      return () => {
        pending.delete(timer)
        cancel()
      }
    },
  }
  const sandbox = createSandbox({ logger, clock }, { ...TOOLS, tier: TIER })
  t.teardown(() => sandbox.close())
  t.equal((await sandbox.selfTest()).passed, true)
  await until(() => pending.size === 0)
  const request = executionRequestSchema.parse({
    language: 'python',
    files: [{ path: 'a.py', content: 'import os\nos._exit(0)' }],
    isolation: TIER,
  })
  const lane = async () => {
    for (let i = 0; i < 40; i++)
      await sandbox.execute(request, { executionId: 'e', signal: new AbortController().signal })
  }
  await Promise.all([lane(), lane(), lane(), lane()])
  await until(() => pending.size === 0)
})
