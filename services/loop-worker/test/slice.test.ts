import { ApiError } from '@loopgate/client'
import type { IterationRecord } from '@loopgate/contracts'
import type { CommitResult, LoopCommit, LoopStore } from '@loopgate/loop-store'
import t from 'tap'
import { createCommitter } from '../src/slice/committer.ts'
import { delayBefore, faultOf } from '../src/slice/faults.ts'

const commit = (waveEnd: number, ...iterations: number[]): LoopCommit => ({
  iterations: iterations.map((iteration) => ({
    record: { iteration } as IterationRecord,
    fresh: true,
    executed: true,
  })),
  waveEnd,
})

/** A committer over a store whose commits the test lets through one by one. */
function committing() {
  const made: Array<{ numbers: number[]; answer: (result: CommitResult['result']) => void }> = []
  const broken: unknown[] = []
  const store = {
    commit: (_id: string, _fence: number, { iterations }: LoopCommit) =>
      new Promise<CommitResult>((resolve) => {
        const answer = (result: CommitResult['result']): void => resolve({ result, state: 'running' })
        made.push({ numbers: iterations.map(({ record }) => record.iteration), answer })
      }),
  } as unknown as LoopStore
  const committed: number[] = []
  const committer = createCommitter(store, 'loop_a', 1, {
    committed: ({ iterations }) => committed.push(...iterations.map(({ record }) => record.iteration)),
    broken: (error) => broken.push(error),
  })
  return { committer, made, committed, broken }
}

t.test('commits are made in order; those of one wave that wait are made together, never over two waves', async (t) => {
  const { committer, made, committed } = committing()
  for (const each of [commit(4, 1), commit(4, 2), commit(4, 3, 4), commit(8, 5), commit(8, 6)]) committer.push(each)
  for (let index = 0; index < 3; index += 1) {
    made[index]?.answer('ok')
    await new Promise(setImmediate)
  }
  await committer.flushed()
  t.strictSame(
    made.map(({ numbers }) => numbers),
    [[1], [2, 3, 4], [5, 6]],
  )
  t.strictSame(committed, [1, 2, 3, 4, 5, 6])
})

t.test('a commit pushed as the last one ends is not forgotten', async (t) => {
  const { committer, made } = committing()
  committer.push(commit(4, 1))
  const flushed = committer.flushed().then(() => committer.push(commit(4, 2)))
  made[0]?.answer('ok')
  await flushed
  t.equal(made.length, 2)
})

t.test('after a refusal nothing more is committed', async (t) => {
  const { committer, made } = committing()
  committer.push(commit(4, 1))
  committer.push(commit(8, 5))
  made[0]?.answer('stale')
  await committer.flushed()
  committer.push(commit(8, 6))
  t.equal(made.length, 1)
})

t.test('refusals of a request are final; what may pass is tried again', async (t) => {
  const error = (status: number, code = 'x', retryable = false): ApiError =>
    new ApiError({ status, code, retryable, message: `${status}`, retryAfterMs: 7 })
  for (const status of [400, 404, 409, 422]) t.equal(faultOf(error(status)).final, true, `${status}`)
  for (const status of [0, 401, 403, 500, 502, 503, 504]) t.equal(faultOf(error(status)).final, false, `${status}`)
  t.equal(faultOf(error(429, 'x', true)).final, false)
  t.equal(faultOf(error(200, 'bad_reply')).final, false)
  t.equal(faultOf(error(503)).retryAfterMs, 7)
  t.throws(() => faultOf(new TypeError('a bug')), { message: 'a bug' })
})

t.test('only codes of our own become series of a metric', async (t) => {
  const label = (status: number, code: string): string =>
    faultOf(new ApiError({ status, code, retryable: true, message: '' })).label
  t.equal(label(503, 'LG_NO_RUNNER'), 'LG_NO_RUNNER')
  t.equal(label(0, 'unreachable'), 'unreachable')
  t.equal(label(429, 'made_up_by_an_upstream_7f3a'), 'http_429')
})

t.test('the wait before a try grows, is never shorter than asked for, and differs between loops', async (t) => {
  const waits = (random: number) => [1, 2, 3, 4, 5, 6, 20].map((attempt) => delayBefore(attempt, null, () => random))
  t.strictSame(waits(0), [0, 500, 1_000, 2_000, 4_000, 7_500, 7_500])
  t.strictSame(waits(1), [0, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  t.equal(
    delayBefore(2, 60_000, () => 0),
    60_000,
  )
})
