import { asyncExecutionSchema, type AsyncExecution } from '@loopgate/contracts'
import { gatewayProcess, type TestGatewayProcess } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { eventually } from '@loopgate/testkit/sleepers'
import t from 'tap'
import { REQUEST } from '../kit/executions.ts'
import { send } from '../kit/http.ts'
import { attach, resultOf } from '../kit/runner.ts'

const COUNT = 20

const submit = async (gw: TestGatewayProcess, stdin: string): Promise<AsyncExecution> =>
  asyncExecutionSchema.parse(
    (
      await send(`${gw.url}/api/executions`, {
        key: gw.apiKey,
        body: { ...REQUEST, stdin },
        headers: { prefer: 'respond-async' },
      })
    ).json,
  )

t.test(
  'SIGKILL of the gateway with twenty asynchronous executions: another replica runs each, and each ends once',
  async (t) => {
    const store = await redis(t)
    const env = { LOOPGATE_RUNNER_TOKEN: 'lgr-of-both', LOOPGATE_STALL_MS: '500' }
    const first = await gatewayProcess(t, { redis: store, env })
    const old = await attach(t, { ...first, runnerToken: env.LOOPGATE_RUNNER_TOKEN }, { slots: COUNT })
    const submitted = await Promise.all(Array.from({ length: COUNT }, (_, index) => submit(first, String(index))))
    for (let count = 0; count < COUNT; count += 1) {
      old.say({ type: 'accepted', leaseId: (await old.hear('execute')).leaseId })
    }
    first.child.kill('SIGKILL')

    const second = await gatewayProcess(t, { redis: store, env })
    const heir = await attach(t, { ...second, runnerToken: env.LOOPGATE_RUNNER_TOKEN }, { slots: COUNT })
    const ran: string[] = []
    for (let count = 0; count < COUNT; count += 1) {
      const { leaseId, executionId, request } = await heir.hear('execute')
      ran.push(executionId)
      heir.say({ type: 'result', leaseId, result: resultOf({ stdout: request.stdin }) })
    }
    t.strictSame(ran.sort(), submitted.map(({ id }) => id).sort(), 'each once')

    // The keys of the second gateway are others, but the tenant is the same.
    const read = async (id: string): Promise<AsyncExecution> =>
      asyncExecutionSchema.parse((await send(`${second.url}/api/executions/${id}`, { key: second.apiKey })).json)
    for (const [index, { id }] of submitted.entries()) {
      await eventually(async () => (await read(id)).state === 'ended')
      t.match((await read(id)).result, { stdout: String(index) })
    }
  },
)

t.test('an execution is cancelled through another replica than the one that runs it', async (t) => {
  const store = await redis(t)
  const env = { LOOPGATE_RUNNER_TOKEN: 'lgr-of-both' }
  const running = await gatewayProcess(t, { redis: store, env })
  const runner = await attach(t, { ...running, runnerToken: env.LOOPGATE_RUNNER_TOKEN })
  const other = await gatewayProcess(t, { redis: store, env: { ...env, LOOPGATE_ASYNC_EXECUTIONS: '0' } })
  const { id } = await submit(other, '')
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'accepted', leaseId })
  const reply = await send(`${other.url}/api/executions/${id}`, { method: 'DELETE', key: other.apiKey })
  t.match(reply.json, { state: 'cancelled' })
  t.equal((await runner.hear('cancel')).leaseId, leaseId)
})
