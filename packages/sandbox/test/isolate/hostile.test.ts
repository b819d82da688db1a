// Hostile programs in isolates: each is stopped by its limit, and what runs after it, or beside it, is none the worse.
import { ISOLATE_BOMBS, ISOLATE_SPINS } from '@loopgate/testkit/hostile-programs'
import t from 'tap'
import { ownPrefix } from '../../src/owner.ts'

process.env['SANDBOX_TEST_TIER'] = 'isolate'
const { sandboxFor } = await import('../support/sandbox.ts')
const { processesWith, until } = await import('../support/processes.ts')
const { run } = await sandboxFor(t)
const MIB = 1024 * 1024
const javascript = (content: string, limits: object = {}) =>
  run({ language: 'javascript', files: [{ path: 'main.js', content }], limits })
const serves = async () => t.match(await javascript('console.log(6 * 7)'), { outcome: 'ok', stdout: '42\n' })

t.test('what does not end runs into its limit of CPU or wall time, also where no code of its own runs', async (t) => {
  for (const [what, content] of Object.entries(ISOLATE_SPINS)) {
    const { outcome } = await javascript(content, { cpuMs: 300, wallMs: 5000 })
    const ended = outcome === 'time_limit' || (/getter|conversion/.test(what) && outcome === 'runtime_error')
    t.ok(ended, `${what}: ${outcome}`)
  }
  const waits = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
  const { outcome } = await javascript(waits, { wallMs: 500 })
  t.ok(outcome === 'time_limit' || outcome === 'runtime_error', `a wait without CPU time: ${outcome}`)
  await serves()
})

t.test('memory in every shape is a memory limit or an exception, and never more than there is', async (t) => {
  for (const [what, content] of Object.entries(ISOLATE_BOMBS)) {
    const result = await javascript(content, { memoryBytes: 64 * MIB, cpuMs: 20_000, outputBytes: 4096 })
    const expected = ['memory_limit', 'runtime_error', ...(what.includes('console') ? ['output_limit'] : [])]
    t.ok(expected.includes(result.outcome), `${what}: ${result.outcome} ${result.stderr.slice(0, 100)}`)
  }
  const heap = await javascript(ISOLATE_BOMBS['arrays'] ?? '', { memoryBytes: 64 * MIB, cpuMs: 20_000 })
  t.equal(heap.outcome, 'memory_limit', 'what the heap’s own limit does not stop')
  await serves()
})

t.test('output is cut at exactly its limit, and what came before the end is kept', async (t) => {
  const flood = await javascript('for (;;) console.log("abcdefg")', { outputBytes: 4096 })
  t.match(flood, { outcome: 'output_limit', truncated: { stdout: true, stderr: false } })
  t.ok(flood.stdout.startsWith('abcdefg\n'.repeat(100)))
  const stuck = await javascript('console.log("before"); for (;;);', { cpuMs: 200 })
  t.match(stuck, { outcome: 'time_limit', stdout: 'before\n' })
})

t.test('there is nothing of Node, of files, of the network or of other languages to reach', async (t) => {
  const names = [
    'process',
    'Buffer',
    'fetch',
    'WebAssembly',
    'setTimeout',
    'Deno',
    'navigator',
    'global',
    'structuredClone',
  ]
  const source = `
const found = ${JSON.stringify(names)}.filter((name) => typeof globalThis[name] !== 'undefined')
for (const name of ['fs', 'node:fs', 'net', 'module', '/opt/loopgate/isolate/host.cjs', './../../etc/passwd', 'left-pad'])
  try { require(name); found.push(name) } catch (error) { if (error.code !== 'MODULE_NOT_FOUND') found.push(String(error)) }
import('node:fs').then(() => console.log('import worked'), () => console.log(JSON.stringify(found)))`
  t.match(await javascript(source), { outcome: 'ok', stdout: '[]\n' })
})

t.test('a module that awaits for ever has not come to its end', async (t) => {
  const module = (content: string) => run({ language: 'javascript', files: [{ path: 'main.mjs', content }] })
  const stuck = await module('console.log("begun"); await new Promise(() => {}); console.log("ended")')
  t.match(stuck, { outcome: 'runtime_error', stdout: 'begun\n', stderr: /top-level await never settles/ })
  t.notMatch(stuck.stderr, /opt|node:/, 'nothing of the process around it')
  t.match(await module('export const x = await 1 // a comment'), { outcome: 'ok' })
})

t.test('an execution finds nothing of the one before it in the same process', async (t) => {
  const leaves = 'globalThis.trace = 1; Object.prototype.trace = 2; Array.prototype.map = null; console.log = null'
  t.match(await javascript(leaves), { outcome: 'ok' })
  const finds = 'console.log(typeof trace, ({}).trace, [1].map((x) => x)[0])'
  t.match(await javascript(finds), { outcome: 'ok', stdout: 'undefined undefined 1\n', isolation: { warm: true } })
})

t.test('an aborted execution is stopped with its process, which leaves nothing', async (t) => {
  const abort = new AbortController()
  const reason = new Error('nobody wants it')
  const files = [{ path: 'main.js', content: 'for (;;);' }]
  const running = run({ language: 'javascript', files, limits: { cpuMs: 60_000, wallMs: 60_000 } }, abort.signal)
  setImmediate(() => abort.abort(reason))
  await t.rejects(running, reason)
  await serves()
})

t.test('many at once come back to their own', async (t) => {
  const results = await Promise.all(Array.from({ length: 40 }, (_, i) => javascript(`console.log(${i})`)))
  t.same(
    results.map(({ stdout }) => stdout),
    results.map((_, i) => `${i}\n`),
  )
  // What they left idle is bounded, and a process that is over its number goes.
  await until(() => processesWith(ownPrefix()).length <= 60)
})
