import {
  executionRequestSchema,
  type ExecutionInput,
  type ExecutionRequest,
  type ExecutionResult,
} from '@loopgate/contracts'
import { connectRedis } from '@loopgate/loop-store'
import { executionResult } from '@loopgate/testkit/execution-result'
import { redis, type TestScope } from '@loopgate/testkit/redis'

/** A connection as the gateway has it, with a key prefix of the test's own. */
export async function connection(t: TestScope) {
  const { url, keyPrefix, client } = await redis(t)
  const connected = connectRedis(url, 'fail-fast')
  t.teardown(() => connected.disconnect())
  return { redis: connected, keyPrefix, client }
}

export function request(over: Partial<ExecutionInput> = {}): ExecutionRequest {
  return executionRequestSchema.parse({
    language: 'python',
    files: [{ path: 'main.py', content: 'def f(): return 1' }],
    checks: [{ id: 'c', entryPoint: 'f', source: 'assert candidate() == 1' }],
    ...over,
  })
}

export function result(over: Partial<ExecutionResult> = {}): ExecutionResult {
  const check = {
    checkId: 'c',
    verdict: 'pass',
    evidence: '',
    calls: 1,
    answered: 1,
    candidateSha256: 'x',
    durationMs: 5,
  }
  return executionResult({ checks: [check as ExecutionResult['checks'][number]], ...over })
}
