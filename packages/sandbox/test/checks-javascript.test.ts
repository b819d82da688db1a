import t from 'tap'
import { judging } from './support/judge.ts'
import { sandboxFor } from './support/sandbox.ts'

const { run } = await sandboxFor(t)

const judge = judging(run, 'javascript', 'solution.js')
const ASSERT = "const assert = require('node:assert')\n"
const ECHO = 'const f = (x) => x'

t.test('a check script passes a right candidate and says what a wrong one did', async (t) => {
  const source = `${ASSERT}assert.deepEqual(f(2, 3), 5)\nassert.deepEqual(candidate([1], [2]), '12')`
  t.match(await judge('function f(a, b) { return a + b }', source), {
    verdict: 'pass',
    calls: 2,
    answered: 2,
    outcome: 'ok',
    evidence: '',
  })
  const wrong = await judge('const f = () => 5', source)
  t.match(wrong, { verdict: 'fail', calls: 2 })
  t.match(
    wrong.evidence,
    /AssertionError[\s\S]*<check>, line 3: assert\.deepEqual[\s\S]*last call: f\(\[ 1 \], \[ 2 \]\) returned 5/,
  )
})

t.test('a check may declare `candidate`, the entry point and `assert` anew', async (t) => {
  const source = `
const assert = require('node:assert');
function test() { let candidate = f; assert.equal(candidate(1), 1) }
test()
let candidate = f
`
  t.match(await judge(ECHO, source, { prelude: "const assert = require('node:assert'); const helper = 1" }), {
    verdict: 'pass',
  })
})

t.test('a prelude gives the check its helpers, and its own entry point never answers for the candidate', async (t) => {
  const prelude = 'const twice = (x) => 2 * x\nconst f = (x) => twice(x)'
  t.match(await judge(ECHO, 'console.assert(f(4) === twice(2))', { prelude }), { verdict: 'pass', calls: 1 })
  t.match(await judge('const f = () => 0', 'console.assert(f(2) === twice(2))', { prelude }), { verdict: 'fail' })
})

t.test('console.assert throws, a function `check` is called, and what it awaits counts', async (t) => {
  t.match(await judge(ECHO, 'console.assert(f(1) === 2)'), { verdict: 'fail', evidence: /console\.assert failed/ })
  const check = 'async function check(g) { await null; console.assert((await g(1)) === 1); console.assert(g(2) === 3) }'
  t.match(await judge(ECHO, check), { verdict: 'fail', calls: 2 })
  t.match(await judge(ECHO, 'const check = async (g) => console.assert(g(1) === 1)'), { verdict: 'pass', calls: 1 })
  const floating = 'setTimeout(() => console.assert(f(1) === 2), 1)'
  t.match(await judge(ECHO, floating), { verdict: 'fail' }, 'later than the script itself')
  const rejected = '(async () => { await null; if (f(1) !== 2) throw new Error("late") })()'
  t.match(await judge(ECHO, rejected), { verdict: 'fail', evidence: /late/ }, 'a rejection that nobody handles')
})

t.test('plain data crosses with its types, both ways', async (t) => {
  const source = `
const assert = require('node:assert')
const values = [undefined, null, true, 0, -0, NaN, Infinity, -Infinity, 1.5, 5e-324, 2n ** 80n, -1n, '', 'é\\ud800\\0', [],
  [1, [2, { a: [undefined] }]], {}, JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "1": 3}'), new Map([[1, 'a'], ['1', new Map()]]),
  new Set([1, '1']), new Date(0), new Date(NaN)]
for (const value of values) assert.deepStrictEqual(f(value), value)
assert.ok(Object.is(f(-0), -0))
const sparse = f([, 1, ,])
assert.deepStrictEqual([sparse.length, 0 in sparse, 1 in sparse], [3, false, true])
const answer = f(values[17])
assert.ok(Object.hasOwn(answer, '__proto__') && Object.getPrototypeOf(answer) === Object.prototype && answer.a === undefined)
assert.deepStrictEqual(f(Object.assign(Object.create(null), { x: 1 })), { x: 1 })
`
  t.match(await judge(ECHO, source), { verdict: 'pass', evidence: '' })
})

t.test('what is no plain data is a fail that says so', async (t) => {
  const values = {
    'a function': '() => 1',
    'a symbol': 'Symbol("x")',
    'an instance': 'new (class Mine {})()',
    'a proxy': 'new Proxy([], {})',
    'a regular expression': '/x/',
    'a getter that throws': '({ get a() { throw new Error("no") } })',
    'an object that holds itself': '(() => { const o = {}; o.o = o; return o })()',
    'a value too large': '"x".repeat(5 << 20)',
    'a huge array without items': 'new Array(1e8)',
    'a boxed value': 'new Number(3)',
  }
  for (const [what, expression] of Object.entries(values)) {
    const result = await judge(`const f = () => ${expression}`, 'try { f() } catch {}')
    t.match(result, { verdict: 'fail', evidence: /returned a value that is not plain data/, answered: 0 }, what)
  }
})

t.test('toJSON and getters of a candidate are data by the time the check sees them', async (t) => {
  const candidate = 'let n = 0\nconst f = () => ({ toJSON: undefined, get x() { return (n += 1) } })'
  const source = `${ASSERT}const a = f(); assert.equal(a.x, a.x)`
  t.match(await judge(candidate, source), { verdict: 'pass' })
})

t.test('an exception of the candidate is thrown in the check as the nearest built-in one', async (t) => {
  const candidate = `
class Mine extends RangeError {}
const f = (which) => {
  if (which === 'type') null.x
  if (which === 'own') { const e = new Mine('mine'); e.name = 'Mine'; throw e }
  throw { code: 7 }
}`
  const source = `${ASSERT}
assert.throws(() => f('type'), TypeError)
assert.throws(() => f('own'), (e) => e instanceof RangeError && e.name === 'Mine' && e.message === 'mine')
assert.throws(() => f('data'), (e) => e.code === 7 && !(e instanceof Error))`
  t.match(await judge(candidate, source), { verdict: 'pass', evidence: '', calls: 3, answered: 3 })
  t.match(await judge(candidate, `f('type')`), { verdict: 'fail', evidence: /TypeError/ })
})

t.test('an async candidate answers with a promise, in the check as well', async (t) => {
  const source = `${ASSERT}async function check(g) {
  assert.ok(g(1) instanceof Promise); assert.equal(await g(2), 2); await assert.rejects(g(3), RangeError) }`
  const candidate =
    'const f = async (x) => { await new Promise((r) => setTimeout(r, 5)); if (x === 3) throw new RangeError("three"); return x }'
  t.match(await judge(candidate, source), { verdict: 'pass', evidence: '', calls: 3 })
  const never = await judge(
    'const f = () => new Promise(() => {})',
    `${ASSERT}async function check(g) { assert.equal(await g(1), 1) }`,
  )
  t.match(never, { verdict: 'fail', evidence: /never settled/ })
})

t.test('functions are found at top level, in exports and in a module', async (t) => {
  const source = `${ASSERT}assert.equal(f(1), 1)`
  for (const candidate of [
    'let f = (x) => x',
    'var f = function (x) { return x }',
    'class A {}; module.exports = { f: (x) => x }',
    'exports.f = (x) => x',
    'export const f = (x) => x',
  ]) {
    t.match(await judge(candidate, source), { verdict: 'pass' }, candidate)
  }
  t.match(await judge('export function f(x) { return x }', source, { path: 'a.mjs' }), { verdict: 'pass' })
  t.match(await judge('const g = 1', source), { verdict: 'fail', evidence: /defines no function f/ })
  t.match(await judge('const f = (', source), { verdict: 'fail', outcome: 'compile_error', evidence: /SyntaxError/ })
  t.match(await judge('throw new Error("at load")', source), {
    verdict: 'fail',
    outcome: 'runtime_error',
    evidence: /at load/,
  })
})

t.test('a hang inside a call fails the check with the limit as evidence', async (t) => {
  const result = await judge('const f = () => { for (;;); }', 'f()', { limits: { cpuMs: 300 } })
  t.match(result, { verdict: 'fail', outcome: 'time_limit', evidence: /CPU limit of 300 ms/, calls: 1, answered: 0 })
})

t.test('a check script that is broken is an error, never a fail', async (t) => {
  const broken = {
    'does not parse': 'const x = (',
    'throws before it has an answer': 'require("no-such-module"); f(1)',
    'never calls': 'console.assert(true)',
    exits: 'f(1); process.exit(0)',
    'exits hard': 'f(1); process.reallyExit(0)',
    'passes a function': 'f(() => 1)',
    'waits for ever before the first call': 'async function check() { await new Promise(() => {}) }',
  }
  for (const [what, source] of Object.entries(broken)) {
    t.match(await judge(ECHO, source), { verdict: 'error', outcome: 'ok' }, what)
  }
})
