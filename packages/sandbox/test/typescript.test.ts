import { createHash } from 'node:crypto'
import t from 'tap'
import { noJavascript, sandboxFor } from './support/sandbox.ts'

const { run } = await sandboxFor(t)
const skip = noJavascript
const typescript = (content: string, rest: object = {}) =>
  run({ language: 'typescript', files: [{ path: 'main.ts', content }], ...rest })

t.test('types are taken off and the rest runs, as a script or as a module', { skip }, async (t) => {
  const script = 'type N = number\nconst twice = (x: N): N => x * 2\nconsole.log(twice(21) as unknown)'
  t.match(await typescript(script), { outcome: 'ok', exitCode: 0, stdout: '42\n', runtime: { language: 'typescript' } })
  t.match(await typescript(`${script}\nexport {}\nconsole.log(await Promise.resolve(1 satisfies N))`), {
    outcome: 'ok',
    stdout: '42\n1\n',
  })
})

t.test('enums, namespaces and parameter properties, which are more than types, work too', { skip }, async (t) => {
  const source = `enum Colour { Red = 1, Green }
namespace Tools { export const twice = (x: number) => 2 * x }
class Point { constructor(readonly x: number) {} }
console.log(Colour.Green, Tools.twice(3), new Point(7).x)`
  t.match(await typescript(source), { outcome: 'ok', stdout: '2 6 7\n' })
})

t.test('what is no TypeScript is a compile error with its file, line and message', { skip }, async (t) => {
  const result = await typescript('console.log("started")\nlet x: number = ;\n')
  t.match(result, { outcome: 'compile_error', exitCode: 1, stdout: '' })
  t.match(result.stderr, /main\.ts:2\n[\s\S]*let x: number = ;\n[\s\S]*SyntaxError: Expression expected/)
  const checks = [{ id: 'c', entryPoint: 'f', source: 'f()' }]
  const checked = await typescript('const f = (: number) => 1', { checks })
  t.match(checked, { outcome: 'compile_error', checks: [{ verdict: 'fail', evidence: /does not compile/, calls: 0 }] })
})

t.test('an exception names the line of the TypeScript', { skip }, async (t) => {
  const source = 'interface A {\n  x: number\n}\nconst a: A | null = null\nconsole.log((a as unknown as A).x)'
  t.match(await typescript(source), { outcome: 'runtime_error', stderr: /TypeError[\s\S]*main\.ts:5/ })
})

t.test(
  'files import one another by the names that they have, by those of JavaScript, or by none',
  { skip },
  async (t) => {
    const files = [
      { path: 'main.ts', content: "import { a } from './lib/a.ts'\nimport { b } from './b.js'\nconsole.log(a, b)" },
      { path: 'lib/a.ts', content: "import { b } from '../b'\nexport const a: number = b + 1" },
      { path: 'b.ts', content: 'export type B = number\nexport const b: B = 1' },
    ]
    t.match(await run({ language: 'typescript', files }), { outcome: 'ok', stdout: '2 1\n' })
    const clash = [...files, { path: 'b.js', content: '' }]
    t.match(await run({ language: 'typescript', files: clash }), {
      outcome: 'compile_error',
      stderr: /b\.ts and b\.js/,
    })
  },
)

t.test(
  'checks call functions of TypeScript, and their record is of the candidate as it was sent',
  { skip },
  async (t) => {
    const content = 'export const f = (x: number): { square: number } => ({ square: x * x })'
    const { checks } = await typescript(content, {
      checks: [{ id: 'c', entryPoint: 'f', source: "require('node:assert').deepStrictEqual(f(3), { square: 9 })" }],
    })
    t.match(checks, [{ verdict: 'pass', candidateSha256: createHash('sha256').update(content).digest('hex') }])
  },
)

t.test('sources of many callers at once come back to their own', { skip }, async (t) => {
  const results = await Promise.all(
    Array.from({ length: 12 }, (_, i) => typescript(`const n: number = ${i}\nconsole.log(n)`)),
  )
  t.same(
    results.map(({ stdout }) => stdout),
    results.map((_, i) => `${i}\n`),
  )
})
