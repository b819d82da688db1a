import {
  loopRequestSchema,
  type IterationRecord,
  type LoopInput,
  type LoopRequest,
  type Verdict,
} from '@loopgate/contracts'
import { systemClock, type Clock } from '@loopgate/service-kit'
import { redis, type TestScope } from '@loopgate/testkit/redis'
import { connectRedis, createLoopStore, type CommittedIteration, type LoopStore, type Redis } from '../src/index.ts'

export const ACME = { tenant: 'acme', keyId: 'key_acme' }
export const GLOBEX = { tenant: 'globex', keyId: 'key_globex' }

export const request = (changes: Partial<LoopInput> = {}): LoopRequest =>
  loopRequestSchema.parse({
    goal: 'Add two numbers.',
    language: 'python',
    checks: [{ id: 'tests', entryPoint: 'add', source: 'def check(candidate): pass' }],
    sampling: { model: 'm' },
    budget: { iterations: 25 },
    ...changes,
  })

export const iteration = (
  number: number,
  changes: Partial<IterationRecord> & { executed?: boolean; fresh?: boolean } = {},
): CommittedIteration => {
  const { executed = true, fresh = executed, ...rest } = changes
  const verdict: Verdict = rest.verdict ?? 'fail'
  return {
    record: {
      iteration: number,
      wave: Math.ceil(number / 4),
      sampleIndex: number - 1,
      cache: 'miss',
      completionTokens: 10,
      totalTokens: 50,
      candidateSha256: `sha-${number}`,
      duplicateOf: null,
      outcome: 'ok',
      verdict,
      evidence: verdict === 'pass' ? '' : 'no',
      ...rest,
    },
    fresh,
    executed,
  }
}

export const accepted = (number: number) => ({
  state: 'accepted' as const,
  reason: `iteration ${number} passes every check`,
  accepted: { iteration: number, sampleIndex: number - 1, candidateSha256: `sha-${number}`, code: 'x = 1' },
})

/** A store on the Redis of the test, and another connection to look behind it. */
export async function stores(
  t: TestScope,
  options: { clock?: Clock; retentionSeconds?: number } = {},
): Promise<{ store: LoopStore; another: () => LoopStore; client: Redis; keyPrefix: string; url: string }> {
  const { url, keyPrefix, client } = await redis(t)
  const { clock = systemClock, ...rest } = options
  const another = (): LoopStore => {
    const connection = connectRedis(url, 'fail-fast', { name: keyPrefix })
    const store = createLoopStore({ redis: connection, clock }, { keyPrefix, ...rest })
    t.teardown(async () => {
      await store.close()
      connection.disconnect()
    })
    return store
  }
  return { store: another(), another, client, keyPrefix, url }
}
