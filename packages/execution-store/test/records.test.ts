import type { Problem } from '@loopgate/contracts'
import { systemClock } from '@loopgate/service-kit'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { createExecutionRecords } from '../src/index.ts'
import { connection, request, result } from './kit.ts'

async function records(t: Test) {
  const { redis, keyPrefix, client } = await connection(t)
  const store = createExecutionRecords({ redis, clock: systemClock }, { keyPrefix, resultTtlSeconds: 60 })
  t.teardown(() => store.close())
  return { store, client, keyPrefix }
}

const order = { tenant: 'acme', request: request(), reuse: 'use' } as const
const error = { code: 'LG_RUNNER_LOST' } as Problem

t.test(
  'whatever happens to an execution and in whatever order, it ends once, the first end counts, and nothing wakes it',
  async (t) => {
    const { store } = await records(t)
    const step = fc.constantFrom('begin', 'start', 'end', 'fail', 'cancel', 'foreign')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { id } = await store.create(order)
        let state = 'queued'
        for (const each of steps) {
          const over = state !== 'queued' && state !== 'running'
          if (each === 'begin') {
            if (((await store.begin(id)) === null) !== over) return false
          } else if (each === 'start') {
            await store.start(id)
            if (!over) state = 'running'
          } else if (each === 'foreign') {
            if ((await store.cancel('globex', id)) !== null) return false
          } else if (each === 'cancel') {
            if ((await store.cancel('acme', id))?.changed !== !over) return false
            if (!over) state = 'cancelled'
          } else {
            const ending =
              each === 'end' ? ({ state: 'ended', result: result() } as const) : ({ state: 'failed', error } as const)
            if ((await store.end(id, ending)) !== !over) return false
            if (!over) state = ending.state
          }
          const seen = await store.get('acme', id)
          if (seen?.state !== state) return false
          if ((seen.result !== null) !== (state === 'ended') || (seen.error !== null) !== (state === 'failed'))
            return false
        }
        return true
      }),
      { numRuns: 60 },
    )
  },
)

t.test('of two that end the same execution at once one succeeds', async (t) => {
  const { store } = await records(t)
  const { id } = await store.create(order)
  const ends = Array.from({ length: 8 }, (_, index) =>
    store.end(id, { state: 'ended', result: result({ stdout: String(index) }) }),
  )
  const said = await Promise.all(ends)
  t.equal(said.filter(Boolean).length, 1)
  t.equal((await store.get('acme', id))?.result?.stdout, String(said.indexOf(true)))
})

t.test('what is taken up is what was asked for', async (t) => {
  const { store } = await records(t)
  const { id } = await store.create({ ...order, reuse: 'ignore' })
  t.match(await store.begin(id), { tenant: 'acme', reuse: 'ignore', request: order.request })
})

t.test('an id that was never given out is nobody’s, whatever it looks like', async (t) => {
  const { store } = await records(t)
  for (const id of ['', 'exec_', '*', `exec_${'0'.repeat(24)}`, '../../x', 'exec_0123456789abcdef01234567:x']) {
    t.equal(await store.get('acme', id), null)
    t.equal(await store.cancel('acme', id), null)
  }
})
