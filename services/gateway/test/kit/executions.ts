import type { ExecutionInput } from '@loopgate/contracts'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import type { TestScope } from '@loopgate/testkit/redis'
import { send, series, until, type Reply } from './http.ts'
import { resultOf, type HandRunner } from './runner.ts'

export const REQUEST: ExecutionInput = { language: 'python', files: [{ path: 'main.py', content: 'print(1)' }] }

export const run = (
  gw: Pick<TestGateway, 'url' | 'apiKey'>,
  over: Record<string, unknown> = {},
  key = gw.apiKey,
  headers: Record<string, string> = {},
): Promise<Reply> => send(`${gw.url}/api/executions`, { key, body: { ...REQUEST, ...over }, headers })

/** Takes the next execution offered, says that it runs, and ends it. */
export async function serve(runner: HandRunner, stdout = ''): Promise<string> {
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId }, { type: 'result', leaseId, result: resultOf({ stdout }) })
  await runner.hear('ack')
  return leaseId
}

export const metrics = async (gw: TestGateway): Promise<string> => (await send(`${gw.url}/metrics`)).text

/** Until so many executions wait for a slot. */
export const waiting = (gw: TestGateway, count: number): Promise<true> =>
  until(async () => (series(await metrics(gw), 'loopgate_executions_waiting') === count ? true : undefined))

/** A gateway without Redis: running an execution needs none. */
export const fresh = (t: TestScope, env: Record<string, string> = {}): Promise<TestGateway> =>
  gateway(t, { redis: null, env })
