import { array, assert, constantFrom, property } from 'fast-check'
import t from 'tap'
import { executionRequestSchema, loopRequestSchema, sandboxPathSchema } from '../src/index.ts'

t.test('paths that leave the working folder or can hide are refused', (t) => {
  const bad = [
    '',
    '/etc/passwd',
    '..',
    '../x',
    'a/../../x',
    'a//b',
    './a',
    'a/.',
    'a\0b',
    'a\\b',
    'x'.repeat(256),
    `${'é'.repeat(128)}/z`,
    'a\ud800',
  ]
  for (const path of bad) t.notOk(sandboxPathSchema.safeParse(path).success, JSON.stringify(path))
  for (const path of ['main.py', 'src/a.b/c.js', '.hidden', 'ünï.py', '...'])
    t.ok(sandboxPathSchema.safeParse(path).success, path)
  t.end()
})

t.test('no accepted path resolves outside its folder', (t) => {
  assert(
    property(array(constantFrom('..', '.', '', '/', 'a', '\\', 'b.py'), { minLength: 1 }), (parts) => {
      const path = parts.join('/')
      if (!sandboxPathSchema.safeParse(path).success) return
      const resolved = new URL(`file:///work/${encodeURI(path)}`).pathname
      t.ok(resolved.startsWith('/work/') && resolved.length > '/work/'.length, path)
    }),
  )
  t.end()
})

t.test('a request without limits gets the defaults, and unknown fields are refused by name', (t) => {
  const request = executionRequestSchema.parse({ language: 'python', files: [{ path: 'a.py', content: '' }] })
  t.match(request, { isolation: 'process', limits: { cpuMs: 5000, outputBytes: 65_536 }, checks: [], args: [] })
  const result = executionRequestSchema.safeParse({
    language: 'python',
    files: [{ path: 'a.py', content: '' }],
    limit: {},
  })
  t.match(result.error?.issues[0], { code: 'unrecognized_keys', keys: ['limit'] })
  t.end()
})

t.test('a loop without a budget is refused, and 0 is a budget', (t) => {
  const loop = {
    goal: 'x',
    language: 'python',
    checks: [{ id: 'c', entryPoint: 'f', source: 'assert candidate() == 1' }],
    sampling: { model: 'm' },
  }
  t.notOk(loopRequestSchema.safeParse(loop).success)
  t.match(loopRequestSchema.safeParse({ ...loop, budget: {} }).error?.issues[0]?.message, /needs a budget/)
  t.ok(loopRequestSchema.safeParse({ ...loop, budget: { iterations: 0 } }).success)
  t.end()
})

t.test('a tier is refused for a language that it does not run', (t) => {
  const of = (isolation: string, language: string) =>
    executionRequestSchema.safeParse({ language, files: [{ path: 'a', content: '' }], isolation })
  const runs = { fork: ['python'], isolate: ['javascript', 'typescript'], gvisor: ['python', 'javascript', 'c'] }
  for (const [tier, languages] of Object.entries(runs)) for (const each of languages) t.ok(of(tier, each).success)
  for (const [tier, language] of [
    ['fork', 'javascript'],
    ['isolate', 'python'],
    ['isolate', 'shell'],
  ] as const) {
    t.match(of(tier, language).error?.issues, [{ path: ['isolation'], message: /fork runs Python only/ }], tier)
  }
  t.end()
})

t.test('what an isolate cannot give a program is refused, not left out', (t) => {
  const of = (rest: object) =>
    executionRequestSchema.safeParse({
      language: 'javascript',
      files: [{ path: 'a.js', content: '' }],
      isolation: 'isolate',
      ...rest,
    })
  t.ok(of({}).success)
  for (const rest of [{ stdin: 'x' }, { args: ['x'] }, { artifacts: ['x'] }, { command: ['node', 'a.js'] }]) {
    t.match(of(rest).error?.issues, [{ path: ['isolation'], message: /tier isolate has no/ }], JSON.stringify(rest))
  }
  t.end()
})

const request = (rest: object) =>
  executionRequestSchema.safeParse({ language: 'python', files: [{ path: 'a.py', content: '' }], ...rest })
const issue = (rest: object) => request(rest).error?.issues[0]

t.test('names that differ in their Unicode form alone cannot stand together', (t) => {
  const files = ['\u00e9.py', 'e\u0301.py'].map((path) => ({ path, content: '' }))
  t.match(issue({ files }), { path: ['files'] })
  t.end()
})

t.test('the name of a language is checked, and which there are is the runners’ affair', (t) => {
  for (const language of ['c', 'cpp', 'shell', 'ruby-3.2', 'objective-c++'])
    t.ok(request({ language }).success, language)
  for (const language of ['', 'Python', '../x', 'a'.repeat(33), 'a b'])
    t.match(issue({ language }), { path: ['language'] }, language)
  t.end()
})

t.test('what contradicts itself is refused by the name of the field', (t) => {
  const check = { id: 'c', entryPoint: 'f', source: 'assert candidate() == 1' }
  const command = ['python3', 'a.py']
  t.match(issue({ command, entry: 'a.py' }), { path: ['command'] })
  t.match(issue({ command, args: ['x'] }), { path: ['args'] })
  t.match(issue({ command, checks: [check] }), { path: ['command'] })
  t.match(issue({ language: 'shell', checks: [check] }), { path: ['checks'], message: /python, javascript.* only/ })
  t.match(issue({ artifacts: ['../x'] }), { path: ['artifacts', 0] })
  t.match(issue({ artifacts: ['x'], checks: [check] }), { path: ['artifacts'] })
  t.match(issue({ files: [{ path: 'a', content: 'no base64!', encoding: 'base64' }] }), {
    path: ['files', 0, 'content'],
  })
  t.ok(request({ command, artifacts: ['out/**', '*.txt'] }).success)
  t.end()
})

t.test('files that the writable folder cannot hold are refused before there is a sandbox', (t) => {
  const files = [{ path: 'a', content: 'x'.repeat(1024 * 1024) }]
  t.match(issue({ files, limits: { diskBytes: 1024 * 1024 - 1 } })?.path, ['limits', 'diskBytes'])
  t.ok(request({ files, limits: { diskBytes: 1024 * 1024 } }).success)
  const many = [...files, { path: 'b', content: 'x' }]
  t.match(issue({ files: many, limits: { diskBytes: 1024 * 1024 } }), { path: ['files'], message: /limits.diskBytes/ })
  t.end()
})
