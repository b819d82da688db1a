import t from 'tap'
import { fresh, REQUEST, run } from './kit/executions.ts'
import { send } from './kit/http.ts'
import { attach, resultOf } from './kit/runner.ts'

const CEILINGS = { wallMs: 5_000, memoryBytes: 512 * 1024 * 1024, diskBytes: 32 * 1024 * 1024 }
const bounded = (t: Parameters<typeof fresh>[0]) => fresh(t, { LOOPGATE_EXECUTION_CEILINGS: JSON.stringify(CEILINGS) })

t.test('a limit above the operator’s ceiling is refused with the field and the ceiling', async (t) => {
  const gw = await bounded(t)
  t.match(await run(gw, { limits: { wallMs: 5_001, processes: 512 } }), {
    status: 400,
    json: {
      code: 'LG_BAD_REQUEST',
      errors: [{ path: 'limits.wallMs', expected: 'at most 5000, the ceiling here' }],
    },
  })
  const both = await run(gw, { limits: { memoryBytes: 2 ** 30 }, compileLimits: { diskBytes: 64 << 20 } })
  t.match(both.json, { errors: [{ path: 'limits.memoryBytes' }, { path: 'compileLimits.diskBytes' }] })
})

t.test('what a request does not say is at most the ceiling, and the rest as without one', async (t) => {
  const gw = await bounded(t)
  const runner = await attach(t, gw)
  const reply = run(gw, { limits: { cpuMs: 700, wallMs: 900 } })
  const { leaseId, request } = await runner.hear('execute')
  t.match(request, {
    limits: { cpuMs: 700, wallMs: 900, memoryBytes: CEILINGS.memoryBytes, diskBytes: 16 << 20, processes: 32 },
    compileLimits: { wallMs: 5_000, cpuMs: 20_000, memoryBytes: CEILINGS.memoryBytes, diskBytes: CEILINGS.diskBytes },
  })
  runner.say({ type: 'result', leaseId, result: resultOf() })
  t.equal((await reply).status, 200)
})

t.test('an item of a batch above a ceiling costs the others nothing', async (t) => {
  const gw = await bounded(t)
  const runner = await attach(t, gw)
  const executions = [{ ...REQUEST, limits: { wallMs: 60_000 } }, REQUEST]
  const reply = send(`${gw.url}/api/executions/batch`, { key: gw.apiKey, body: { executions } })
  const { leaseId } = await runner.hear('execute')
  runner.say({ type: 'result', leaseId, result: resultOf() })
  const lines = (await reply).text
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  t.match(lines, [
    { index: 0, error: { status: 400, code: 'LG_BAD_REQUEST' } },
    { index: 1, result: { outcome: 'ok' } },
    { type: 'end', count: 2 },
  ])
})

t.test('a body that is none is refused as ever', async (t) => {
  const gw = await bounded(t)
  for (const limits of [null, [], 'x', 7]) t.equal((await run(gw, { limits })).status, 400, JSON.stringify(limits))
  t.equal((await send(`${gw.url}/api/executions`, { key: gw.apiKey, body: [] })).status, 400)
})

t.test('ceilings that the API could not keep are refused at the start', async (t) => {
  for (const ceilings of ['{"wallMs":1}', '{"wall":1000}', 'x'])
    await t.rejects(fresh(t, { LOOPGATE_EXECUTION_CEILINGS: ceilings }), /LOOPGATE_EXECUTION_CEILINGS/)
})

t.test('a language that nobody offers is named, with those that are', async (t) => {
  const gw = await fresh(t, { LOOPGATE_EXECUTION_QUEUE_MS: '1' })
  await attach(t, gw)
  const { status, json } = await run(gw, { language: 'cobol' })
  t.equal(status, 503)
  t.match(json, {
    code: 'LG_NO_RUNNER',
    errors: [{ path: 'language', expected: /in the tier process \(python\); nobody offers cobol/ }],
  })
})
