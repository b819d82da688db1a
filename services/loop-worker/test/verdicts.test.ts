import { ApiError } from '@loopgate/client'
import type { VerdictRequest } from '@loopgate/contracts'
import { createLogger } from '@loopgate/service-kit'
import t from 'tap'
import { createVerdicts } from '../src/verdicts.ts'
import { harness, loop, passing, startWorker } from './harness.ts'

t.test('what a loop found is written to the cache: every verdict of what it generated, by its loop', async (t) => {
  const setting = await harness(t, passing('a goal#2'))
  const { close } = await startWorker(t, setting)
  const id = await setting.create(loop())
  await setting.until(id)
  await close()
  t.strictSame(
    [...setting.gateway.verdicts].sort(([a], [b]) => a - b),
    ['fail', 'fail', 'pass'].map((verdict, index) => [index, { verdict, evaluator: id }]),
  )
})

t.test('a cache that takes no verdicts, or never answers, is nothing to the loop', async (t) => {
  for (const trouble of [503, 'hold'] as const) {
    const setting = await harness(t, passing('a goal#2'))
    setting.gateway.interfere = ({ kind }) => (kind === 'judge' ? trouble : null)
    const { registry, close } = await startWorker(t, setting)
    t.match(await setting.until(await setting.create(loop())), { state: 'accepted', counts: { iterations: 3 } })
    await close()
    const result = trouble === 'hold' ? 'dropped' : 'failed'
    t.match(await registry.metrics(), `loopgate_worker_verdicts_total{result="${result}"} 3`)
  }
})

/** Verdicts before a cache that answers when the test says so. */
function judged(answer: (key: string) => Promise<unknown>) {
  const asked: string[] = []
  const told: string[] = []
  const warnings: unknown[] = []
  const client = {
    cache: {
      judge: async (key: string, { verdict }: VerdictRequest) => {
        asked.push(`${key} ${verdict}`)
        await answer(key)
        return { verdict, judgedAt: '' }
      },
    },
  }
  const logger = Object.assign(createLogger('test', 'silent'), { warn: (fields: unknown) => warnings.push(fields) })
  const verdicts = createVerdicts({
    client: client as unknown as Parameters<typeof createVerdicts>[0]['client'],
    logger,
    metrics: { verdict: (result) => told.push(result) },
  })
  const write = (key: string, verdict: 'pass' | 'fail') => verdicts.write({ key, verdict, loopId: 'loop_1' })
  return { verdicts, write, asked, told, warnings }
}

const never = new AbortController().signal
const count = (told: readonly string[], result: string): number => told.filter((each) => each === result).length

t.test('of what waits, passes go first; beyond the bound it is dropped, and nothing is thrown', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { verdicts, write, asked, told } = judged(() => gate.promise)
  for (let index = 0; index < 1010; index++) write(`f${index}`, 'fail')
  write('p', 'pass')
  gate.resolve()
  await verdicts.close(never)
  t.strictSame(asked.slice(0, 3), ['f0 fail', 'f1 fail', 'p pass'])
  t.equal(count(told, 'dropped'), 8)
  t.equal(count(told, 'written'), 1003)
})

t.test('trouble is told once until it has passed; an answer that is not stored is no trouble', async (t) => {
  const replies = [503, 503, 404, 200, 503]
  const { verdicts, write, told, warnings } = judged(async (key) => {
    const status = replies[Number(key)] ?? 200
    const error = { status, code: 'x', message: 'no', retryable: true }
    if (status !== 200) throw new ApiError(error)
  })
  for (let index = 0; index < replies.length; index++) {
    write(String(index), 'fail')
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
  }
  await verdicts.close(never)
  t.strictSame(told, ['failed', 'failed', 'not_stored', 'written', 'failed'])
  t.equal(warnings.length, 2)
})
