import type { ExecutionInput, ExecutionResult } from '@loopgate/contracts'
import { systemClock } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { privateRedis } from '@loopgate/testkit/redis'
import { connectRedis } from '@loopgate/loop-store'
import t, { type Test } from 'tap'
import { createVerdictStore, type VerdictStore } from '../src/index.ts'
import { connection, request, result } from './kit.ts'

const VERSION = '3.11'

async function store(t: Test, over: { maxEntries?: number; ttlSeconds?: number } = {}) {
  const { redis, keyPrefix, client } = await connection(t)
  const options = { keyPrefix, ttlSeconds: 60, maxEntries: 100, ...over }
  const verdicts = createVerdictStore({ redis, clock: systemClock }, options)
  // Whatever is asked first is not asked of a connection that is only being opened.
  await redis.ping().catch(() => new Promise((resolve) => redis.once('ready', resolve)))
  return { verdicts, client, keyPrefix }
}

const recall = (verdicts: VerdictStore, over: Partial<ExecutionInput> = {}, tenant = 'acme', versions = [VERSION]) =>
  verdicts.recall(tenant, request(over), versions)

t.test('a verdict is found again with its evidence, by the same tenant and the same request alone', async (t) => {
  const { verdicts } = await store(t)
  const check = { ...result().checks[0]!, verdict: 'fail' as const, evidence: 'assert 2 == 1' }
  await verdicts.keep('acme', request(), result({ checks: [check] }))
  t.match(await recall(verdicts), { checks: [{ verdict: 'fail', evidence: 'assert 2 == 1' }] })
  t.equal(await recall(verdicts, {}, 'globex'), null)
  const others: Partial<ExecutionInput>[] = [
    { files: [{ path: 'main.py', content: 'def f(): return 2' }] },
    { files: [{ path: 'other.py', content: 'def f(): return 1' }] },
    { checks: [{ id: 'c', entryPoint: 'f', source: 'assert candidate() == 2' }] },
    { checks: [{ id: 'd', entryPoint: 'f', source: 'assert candidate() == 1' }] },
    { checks: [{ id: 'c', entryPoint: 'f', source: 'assert candidate() == 1', prelude: 'x = 1' }] },
    { limits: { wallMs: 9_999 } },
    { limits: { memoryBytes: 256 * 1024 * 1024 } },
    { isolation: 'fork' },
    { stdin: 'x' },
    { entry: 'main.py' },
  ]
  for (const other of others) t.equal(await recall(verdicts, other), null, JSON.stringify(other))
})

t.test('another version of the runtime knows nothing of it, and any of several may', async (t) => {
  const { verdicts } = await store(t)
  await verdicts.keep('acme', request(), result())
  t.equal(await recall(verdicts, {}, 'acme', ['3.12']), null)
  t.equal(await recall(verdicts, {}, 'acme', []), null, 'nor does it help where no runner is attached')
  t.match(await recall(verdicts, {}, 'acme', ['3.12', VERSION]), { outcome: 'ok' })
})

const check = (over: Partial<ExecutionResult['checks'][number]>) => [{ ...result().checks[0]!, ...over }]
const NEVER: Record<string, Partial<ExecutionResult>> = {
  'a fault of the runner': { outcome: 'internal_error' },
  'an execution that was killed': { outcome: 'killed' },
  'a check that is itself at fault': { checks: check({ verdict: 'error' }) },
  'a result without its checks': { checks: [] },
  'another tier than was asked for': { isolation: { requested: 'process', achieved: 'fork', enforced: [] } },
  'a result that would crowd out others': { stdout: 'x'.repeat(70_000) },
}
for (const [name, over] of Object.entries(NEVER)) {
  t.test(`never kept: ${name}`, async (t) => {
    const { verdicts } = await store(t)
    for (let count = 0; count < 3; count += 1) await verdicts.keep('acme', request(), result(over))
    t.equal(await recall(verdicts), null)
  })
}

const REPEATED: Record<string, Partial<ExecutionResult>> = {
  'a time-out': { outcome: 'time_limit', checks: check({ verdict: 'fail' }) },
  'memory that ran out': { outcome: 'memory_limit', checks: check({ verdict: 'fail' }) },
  'a failure near the limit of time': { checks: check({ verdict: 'fail', durationMs: 9_500 }) },
  'a failure near the limit of CPU': { cpuMs: 4_900, checks: check({ verdict: 'fail' }) },
}
for (const [name, over] of Object.entries(REPEATED)) {
  t.test(`believed only when it happens twice: ${name}`, async (t) => {
    const { verdicts } = await store(t)
    await verdicts.keep('acme', request(), result(over))
    t.equal(await recall(verdicts), null)
    await verdicts.keep('acme', request(), result(over))
    t.match(await recall(verdicts), { checks: [{ verdict: 'fail' }] })
  })
}

t.test('a program without checks is none of its business', async (t) => {
  const { verdicts } = await store(t)
  t.equal(verdicts.takes(request({ checks: [] })), false)
  t.equal(verdicts.takes(request()), true)
})

t.test('a tenant keeps its newest verdicts, and they lapse', async (t) => {
  const { verdicts, client, keyPrefix } = await store(t, { maxEntries: 5 })
  const numbered = (index: number) => ({ stdin: String(index) })
  for (let index = 0; index < 12; index += 1) {
    await verdicts.keep('acme', request(numbered(index)), result())
    await verdicts.keep('globex', request(numbered(index)), result())
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const kept: number[] = []
  for (let index = 0; index < 12; index += 1) if (await recall(verdicts, numbered(index))) kept.push(index)
  t.strictSame(kept, [7, 8, 9, 10, 11])
  const keys = await client.keys(`${keyPrefix}:verdicts:{acme}:*`)
  t.equal(keys.length, 6, 'five and their index')
  for (const key of keys) {
    const leftMs = await client.pttl(key)
    t.ok(leftMs > 0 && leftMs <= 60_000, `${key}: ${leftMs}`)
  }
})

t.test('a request with half a character in it is run every time, and disturbs nobody', async (t) => {
  const { verdicts } = await store(t)
  const broken = { files: [{ path: 'main.py', content: 'x = "\ud800"' }] }
  await verdicts.keep('acme', request(broken), result())
  t.equal(await recall(verdicts, broken), null)
  await verdicts.keep('acme', request(), result())
  t.match(await recall(verdicts), { outcome: 'ok' })
})

t.test('what another wrote under the name of an entry is no verdict', async (t) => {
  const { verdicts, client, keyPrefix } = await store(t)
  await verdicts.keep('acme', request(), result())
  const [name] = (await client.keys(`${keyPrefix}:verdicts:{acme}:*`)).filter((key) => !key.endsWith(':index'))
  const good = JSON.parse((await client.get(name!))!) as object
  for (const text of [JSON.stringify({ ...good, key: 'another' }), '{"key":1}', '[]']) {
    await client.set(name!, text)
    t.equal(await recall(verdicts), null, text.slice(0, 20))
  }
})

t.test('a Redis that does not answer costs one look-up its patience, and the next ones nothing', async (t) => {
  const frozen = await privateRedis(t)
  const redis = connectRedis(frozen.url, 'fail-fast')
  t.teardown(() => redis.disconnect())
  await new Promise((resolve) => redis.once('ready', resolve))
  const clock = manualClock()
  const verdicts = createVerdictStore({ redis, clock }, { keyPrefix: 't', ttlSeconds: 60, maxEntries: 5 })
  await verdicts.keep('acme', request(), result())
  t.match(await recall(verdicts), { outcome: 'ok' })
  process.kill(frozen.pid, 'SIGSTOP')
  const asked = recall(verdicts)
  clock.advance(100)
  t.equal(await asked, null)
  t.equal(await recall(verdicts), null, 'at once: the clock stands still')
  process.kill(frozen.pid, 'SIGCONT')
  clock.advance(1_000)
  t.match(await recall(verdicts), { outcome: 'ok' })
})
