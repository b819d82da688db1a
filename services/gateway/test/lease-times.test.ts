import { executionRequestSchema, type ExecutionInput } from '@loopgate/contracts'
import t from 'tap'
import { leaseMs } from '../src/executions/lease-times.ts'

const lease = (over: Partial<ExecutionInput>) =>
  leaseMs(executionRequestSchema.parse({ language: 'python', files: [{ path: 'a', content: '' }], ...over }))

t.test('a lease is as long as the candidate, each check and a compiler may take, and some time to spare', (t) => {
  const limits = { wallMs: 20_000 }
  const check = { id: 'c', entryPoint: 'f', source: 'x' }
  const spareMs = lease({ limits }) - 20_000
  t.ok(spareMs >= 10_000)
  t.equal(lease({ limits, checks: [check, check] }), 60_000 + spareMs)
  t.equal(lease({ limits, language: 'c', compileLimits: { wallMs: 7_000 } }), 27_000 + spareMs)
  t.end()
})
