import type { TestScope } from '@loopgate/testkit/redis'
import { gatewayStub, welcome } from './gateway-stub.ts'
import { heldSandbox, startRunner } from './start-runner.ts'

/** A runner that one gateway has welcomed. */
export async function attached(t: TestScope, options: { slots?: number; heartbeatMs?: number } = {}) {
  const gateway = await gatewayStub(t)
  const held = heldSandbox()
  const runner = startRunner(t, { gatewayUrl: gateway.url, sandbox: held.sandbox, slots: options.slots ?? 2 })
  const link = await gateway.connection()
  const hello = await link.next('hello')
  link.send(welcome({ heartbeatMs: options.heartbeatMs ?? 30_000 }))
  return { gateway, held, runner, link, hello }
}
