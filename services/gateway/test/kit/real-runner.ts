import { runnerListSchema } from '@loopgate/contracts'
import { gateway } from '@loopgate/testkit/gateway'
import { runner } from '@loopgate/testkit/runner'
import type { Test } from 'tap'
import { send } from './http.ts'

/** Why this machine has no sandboxes, for `skip`; false where it has. Asks a real runner. */
export async function noSandboxes(t: Test): Promise<string | false> {
  const gw = await gateway(t, { redis: null })
  const probe = await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, slots: 1 })
  const [view] = runnerListSchema.parse((await send(`${gw.url}/api/runners`, { key: gw.adminKey })).json).runners
  probe.kill()
  if (view?.tiers.includes('process')) return false
  const failed = JSON.stringify(view?.selfTest.checks.filter(({ passed }) => !passed))
  // What the machine refuses is no fault of ours; anything else is.
  if (/refuses user namespaces|not installed|procfs cannot/.test(failed)) return failed
  t.fail(failed)
  return failed
}
