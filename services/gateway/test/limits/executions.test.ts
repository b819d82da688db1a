import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { redis } from '@loopgate/testkit/redis'
import { until } from '@loopgate/testkit/until'
import t, { type Test } from 'tap'
import { postStreamed } from '../kit/events.ts'
import { REQUEST } from '../kit/executions.ts'
import { send } from '../kit/http.ts'
import { limitedKey, usageOf } from '../kit/keys.ts'
import { attach, resultOf } from '../kit/runner.ts'

const SOON_MS = 20_000
const PATH = '/api/executions'
const SSE = { accept: 'text/event-stream' }

/** The ways to ask for an execution. */
const MODES = {
  whole: { path: PATH, headers: {}, body: REQUEST },
  followed: { path: PATH, headers: SSE, body: REQUEST },
  'in a batch': { path: `${PATH}/batch`, headers: {}, body: { executions: [REQUEST] } },
} as const

/** What becomes of it; each ends with nothing held. */
const ENDINGS = {
  async 'runs to its end'(t: Test, gw: TestGateway) {
    const hand = await attach(t, gw)
    return async () => {
      const { leaseId } = await hand.hear('execute')
      hand.say({ type: 'accepted', leaseId }, { type: 'result', leaseId, result: resultOf() })
    }
  },
  async 'loses two runners'(t: Test, gw: TestGateway) {
    const hands = [await attach(t, gw, { runnerId: 'a' }), await attach(t, gw, { runnerId: 'b' })]
    return async () => {
      await Promise.all(
        hands.map(async (hand) => {
          const { leaseId } = await hand.hear('execute')
          hand.say({ type: 'accepted', leaseId })
          hand.crash()
        }),
      )
    }
  },
  async 'finds no runner'(_t: Test, _gw: TestGateway) {
    return async () => {}
  },
  async 'is left while it waits'(_t: Test, _gw: TestGateway, leave: () => void) {
    return async () => leave()
  },
  async 'is left while it runs'(t: Test, gw: TestGateway, leave: () => void) {
    const hand = await attach(t, gw)
    return async () => {
      const { leaseId } = await hand.hear('execute')
      hand.say({ type: 'accepted', leaseId })
      leave()
      await hand.hear('cancel')
    }
  },
} as const

for (const [mode, { path, headers, body }] of Object.entries(MODES)) {
  for (const [ending, prepare] of Object.entries(ENDINGS)) {
    t.test(`an execution asked for ${mode} that ${ending}: held meanwhile, and nothing is held then`, async (t) => {
      const expires = ending === 'finds no runner'
      const queueMs = expires ? '100' : '60000'
      const gw = await gateway(t, { env: { LOOPGATE_EXECUTION_QUEUE_MS: queueMs } })
      const key = await limitedKey(gw, { concurrentExecutions: 5, requestsPerMinute: 50 })
      const left = new AbortController()
      const happen = await prepare(t, gw, () => left.abort())
      const asked = send(gw.url + path, { key: key.secret, body, headers, signal: left.signal }).catch(() => null)
      if (!expires) await until(async () => (await usageOf(gw, key.id)).reserved.executions === 1, SOON_MS)
      await happen()
      await asked
      await until(async () => (await usageOf(gw, key.id)).reserved.executions === 0, SOON_MS)
      t.match(await usageOf(gw, key.id), { minute: { requests: 1, tokens: 0 }, total: { tokens: 0, microUsd: 0 } })
    })
  }
}

t.test(
  'of executions at once on two replicas no more run than the limit, and a refused body takes nothing',
  async (t) => {
    const store = await redis(t)
    const gates = await Promise.all([gateway(t, { redis: store }), gateway(t, { redis: store })])
    const [one] = gates
    const key = await limitedKey(one, { concurrentExecutions: 3 })
    for (const gw of gates) {
      await until(async () => (await send(gw.url + PATH, { key: key.secret, body: {} })).status === 400, SOON_MS)
    }
    const left = new AbortController()
    t.teardown(() => left.abort())
    const refused: { status: number; json: Record<string, unknown>; headers: Headers }[] = []
    const asked = Array.from({ length: 12 }, (_, index) =>
      send(gates[index % 2]?.url + PATH, { key: key.secret, body: REQUEST, signal: left.signal }).then(
        (reply) => refused.push(reply),
        () => {},
      ),
    )
    await until(() => refused.length === 9, SOON_MS)
    t.equal((await usageOf(one, key.id)).reserved.executions, 3)
    for (const { status, json, headers } of refused) {
      t.match({ status, json }, { status: 429, json: { code: 'LG_LIMIT_REACHED', detail: /concurrentExecutions/ } })
      t.ok(Number(headers.get('retry-after')) >= 1)
    }
    left.abort()
    await Promise.all(asked)
    await until(async () => (await usageOf(one, key.id)).reserved.executions === 0, SOON_MS)
  },
)

t.test('a batch keeps to the executions that its key may have at once', async (t) => {
  const gw = await gateway(t)
  const key = await limitedKey(gw, { concurrentExecutions: 1 })
  const hand = await attach(t, gw, { slots: 4 })
  const items = [REQUEST, REQUEST, REQUEST]
  const asked = postStreamed(t, `${gw.url}${PATH}/batch`, { key: key.secret, body: { executions: items } })
  for (const _ of items) {
    const { leaseId } = await hand.hear('execute')
    t.strictSame(
      hand.unheard().filter(({ type }) => type === 'execute'),
      [],
    )
    hand.say({ type: 'accepted', leaseId }, { type: 'result', leaseId, result: resultOf() })
  }
  const events = await (await asked).rest()
  t.strictSame(
    events.map(({ type, index, error }) => [type, index, error]),
    [
      ['item', 0, undefined],
      ['item', 1, undefined],
      ['item', 2, undefined],
      ['end', undefined, undefined],
    ],
  )
})
