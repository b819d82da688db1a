import { executionRequestSchema, type ExecutionRequest, type Isolation } from '@loopgate/contracts'
import type { Runtime } from '../languages/runtime.ts'
import { runtimeOf } from '../typescript/runtime-of.ts'
import type { SandboxResult, SelfTestReport } from '../types.ts'

const PROBE = 'const answer: number = 6 * 7\nconsole.log(answer satisfies number)'

/** Whether types can be taken off here, where the tier runs JavaScript; null where it does not. */
export async function probeTypescript(
  tier: Isolation,
  runtimes: readonly Runtime[],
  run: (runtime: Runtime, request: ExecutionRequest) => Promise<SandboxResult>,
): Promise<{ passed: boolean; version: string; checks: SelfTestReport['checks'] } | null> {
  const runtime = runtimeOf(runtimes, 'typescript')
  if (runtime === undefined) return null
  const request = executionRequestSchema.parse({
    language: 'typescript',
    files: [{ path: 'probe.ts', content: PROBE }],
    isolation: tier,
  })
  const { outcome, stdout, stderr, message = '' } = await run(runtime, request)
  const passed = outcome === 'ok' && stdout === '42\n'
  const detail = passed ? 'types were removed and the rest ran' : `${outcome}: ${message}${stderr}`.slice(0, 1000)
  return { passed, version: runtime.version, checks: [{ name: 'typescript: types', passed, detail }] }
}
