import { gateway } from '@loopgate/testkit/gateway'
import { cerebrasSim, type SimulatorOptions } from '@loopgate/testkit/sim'
import t, { type Test } from 'tap'
import { metric, post, QUESTION } from './kit.ts'

const NONE = 1_000_000_000
const requests = { minute: NONE, hour: NONE, day: NONE }
const CALLS = 12
const body = { ...QUESTION, max_completion_tokens: 10 }

/** A simulated provider with the organisations `one` and `two`, and a gateway that has a key of each. */
async function setUp(t: Test, options: SimulatorOptions, maxTries = '3') {
  const sim = await cerebrasSim(t, options)
  const organisations = ['one', 'two'].map((name) => ({ name, keys: [`csk-${name}-1`] }))
  const gate = await gateway(t, {
    upstreamUrl: sim.url,
    upstreamKey: '',
    redis: null,
    env: { LOOPGATE_ORGANISATIONS: JSON.stringify(organisations), LOOPGATE_UPSTREAM_TRIES: maxTries },
  })
  const answers = (organisation: string, result: string) =>
    metric(
      gate,
      `loopgate_upstream_answers_total{upstream="cerebras",organisation="${organisation}",result="${result}"}`,
    )
  /** So many calls one after the other, every second one streamed; how often each called the upstream. */
  const ask = async (count = CALLS): Promise<number[]> => {
    const attempts = []
    for (let n = 0; n < count; n++) {
      const { status, headers, text } = await post(gate, { ...body, stream: n % 2 === 1 })
      t.equal(status, 200, text)
      t.equal(headers.get('x-loopgate-upstream'), 'cerebras')
      if (n % 2 === 1) t.match(text, '[DONE]')
      attempts.push(Number(headers.get('x-loopgate-attempts')))
    }
    return attempts
  }
  return { sim, gate, answers, ask }
}

const twice = (attempts: readonly number[]) => attempts.filter((count) => count > 1)

t.test('both organisations are well: both are used', async (t) => {
  const { answers, ask } = await setUp(t, {})
  t.strictSame(twice(await ask()), [])
  const shares = [await answers('one', 'ok'), await answers('two', 'ok')]
  t.equal(shares[0]! + shares[1]!, CALLS)
})

for (const [what, options, kind] of [
  ['whose key is refused', { keys: ['csk-two-1'] }, 'key_refused'],
  ['that has to pay', { faults: [{ kind: 'payment_required', organisation: 'one' }] }, 'unpaid'],
  [
    'whose tokens of the day are spent',
    { quotas: { one: { requests, tokens: { minute: NONE, hour: NONE, day: 1 } } } },
    'tokens_exhausted',
  ],
] as const) {
  t.test(`an organisation ${what}: one call finds out, and all are answered by the other`, async (t) => {
    const { sim, gate, answers, ask } = await setUp(t, options as SimulatorOptions)
    t.strictSame(twice(await ask()), [2], 'the one that found out was made again')
    t.equal(await answers('one', kind), 1)
    t.equal(await answers('one', 'ok'), 0)
    t.equal(await answers('two', 'ok'), CALLS)
    t.equal((await sim.stats()).requests, CALLS + 1)
    t.equal(await metric(gate, `loopgate_generation_retries_total{organisation="one",reason="${kind}"}`), 1)
    const ejected = await metric(gate, 'loopgate_upstream_ejections_total{upstream="cerebras",organisation="one"}')
    t.equal(ejected, kind === 'key_refused' ? 1 : 0)
  })
}

t.test(
  'the last organisation that is left is called whatever it says, and callers are told what it says',
  async (t) => {
    const { sim, gate, answers } = await setUp(t, { keys: ['csk-none-1'] })
    for (let n = 0; n < 5; n++) {
      const reply = await post(gate, body)
      t.equal(reply.status, 502, 'a key of the operator’s is no matter of the caller’s')
      t.notMatch(reply.text, /csk-/)
    }
    const ejections = await Promise.all(
      ['one', 'two'].map((name) =>
        metric(gate, `loopgate_upstream_ejections_total{upstream="cerebras",organisation="${name}"}`),
      ),
    )
    t.equal(ejections[0]! + ejections[1]!, 1, 'one of the two keys is left in')
    t.equal((await answers('one', 'key_refused')) + (await answers('two', 'key_refused')), 6)
    t.equal((await sim.stats()).requests, 6)
  },
)

t.test('both have to pay: the status says so, each time anew, and the first that can again is used', async (t) => {
  const { sim, gate } = await setUp(t, { faults: [] })
  await sim.faults({ kind: 'payment_required' })
  for (let n = 0; n < 3; n++) t.equal((await post(gate, body)).status, 402)
  await sim.clearFaults()
  t.equal((await post(gate, body)).status, 200)
})
