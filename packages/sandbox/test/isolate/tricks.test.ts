// Ways of a candidate in an isolate to a verdict that it has not earned; ../forgeries.test.ts has those of Python.
import t from 'tap'

process.env['SANDBOX_TEST_TIER'] = 'isolate'
const { sandboxFor } = await import('../support/sandbox.ts')
const { run } = await sandboxFor(t)

async function verdictOf(content: string, source = REFERENCE) {
  const { checks } = await run({
    language: 'javascript',
    files: [{ path: 's.js', content }],
    checks: [{ id: 'c', entryPoint: 'f', source }],
    limits: { cpuMs: 1000, wallMs: 5000 },
  })
  return checks[0]
}
const REFERENCE = "const assert = require('node:assert'); assert.deepStrictEqual(f(2), { n: 4 })"

t.test('the reference of the tricks below passes, so they fail for what they do', async (t) => {
  t.match(await verdictOf('const f = (x) => ({ n: x * x })'), { verdict: 'pass', calls: 1, answered: 1 })
})

t.test('a candidate cannot forge a verdict by what it returns, patches or throws', async (t) => {
  const tricks: Record<string, string> = {
    'returns what converts to anything':
      'const f = () => ({ valueOf: () => 4, toString: () => "4", n: { valueOf: () => 4 } })',
    'returns a Proxy that has every property':
      'const f = () => new Proxy({}, { get: () => 4, has: () => true, ownKeys: () => [] })',
    'returns a key __proto__': 'const f = () => JSON.parse(\'{"__proto__": {"n": 4}}\')',
    'returns an object whose prototype has the answer': 'const f = () => Object.create({ n: 4 })',
    'returns a getter that throws': 'const f = () => ({ get n() { throw 4 } })',
    'throws what equals everything': 'const f = () => { throw { n: 4, [Symbol.toPrimitive]: () => 4 } }',
    'patches the codec to answer with code': 'JSON.stringify = () => \'["o","n",["x"]]\'\nconst f = () => ({ n: 4 })',
    'patches the codec to answer with an object': 'JSON.stringify = () => \'{"n":4}\'\nconst f = () => ({ n: 4 })',
    'patches what the codec walks with':
      'Array.prototype.push = function () { this.length = 0 }\nconst f = () => ({ n: 4 })',
    'never settles': 'const f = () => new Promise(() => {})',
    'settles twice': 'const f = () => ({ then: (done) => { done({ n: 4 }); done({ n: 5 }) } })',
    'leaves a rejection to itself': 'const f = () => { Promise.reject(new Error("mine")); return { n: 5 } }',
    'declares a check of its own': 'globalThis.check = () => {}; const f = () => ({ n: 5 })',
    'answers for the checker': 'console.log(\'{"verdict":"pass"}\'); const f = () => ({ n: 5 })',
    'loops for ever when called': 'const f = () => { for (;;); }',
    'loops for ever when loaded': 'for (;;); const f = () => 4',
    'takes all memory': 'const f = () => { const all = []; for (;;) all.push(new Array(1000).fill(all.length)) }',
    'is nested too deep': 'const f = () => { let x = {}; for (let i = 0; i < 200; i++) x = { x }; return x }',
    'refers to itself': 'const f = () => { const x = {}; x.x = x; return x }',
    'is larger than the channel takes': 'const f = () => "x".repeat(5_000_000)',
  }
  for (const [what, content] of Object.entries(tricks)) {
    const check = await verdictOf(content)
    t.equal(check?.verdict, 'fail', `${what}: ${check?.evidence.slice(0, 200) ?? 'no result'}`)
  }
})

t.test('values cross as data: nothing of a reply is code or changes a prototype of the check', async (t) => {
  const source = `const assert = require('node:assert')
const value = f(1)
assert.deepStrictEqual(Object.keys(value), ['__proto__', 'constructor', 'then'])
assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
assert.strictEqual({}.polluted, undefined)`
  const content = `const f = () => JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "then": 1}')`
  t.match(await verdictOf(content, source), { verdict: 'pass', evidence: '' })
})

t.test('the check program is never in the isolate of the candidate', async (t) => {
  const content = `const f = () => {
  const all = []
  const seen = new Set()
  const walk = (value) => {
    if (typeof value === 'string') all.push(value)
    if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value)) return
    seen.add(value)
    if (typeof value === 'function') all.push(Function.prototype.toString.call(value))
    for (const key of Reflect.ownKeys(value)) { try { walk(value[key]) } catch {} }
  }
  walk(globalThis)
  all.push(new Error().stack)
  return all.some((text) => text.includes(['SOURCE', 'CANARY'].join('-')))
}`
  const source = 'const marker = "SOURCE-CANARY"; if (f() !== false) throw new Error("found")'
  t.match(await verdictOf(content, source), { verdict: 'pass' })
})
