// A start of gVisor costs half a second of CPU, so each test here says what no other tier's test can.
import { release } from 'node:os'
import t from 'tap'

process.env['SANDBOX_TEST_TIER'] = 'gvisor'
const { sandboxFor } = await import('../support/sandbox.ts')
const { run } = await sandboxFor(t)
const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })

t.test('a program runs on a kernel that is not this machine’s, with its arguments and input', async (t) => {
  const result = await python('import os, sys\nprint(os.uname().release, sys.argv[1:], sys.stdin.read())', {
    args: ['a b'],
    stdin: 'line\n',
  })
  t.match(result, { outcome: 'ok', isolation: { achieved: 'gvisor' } })
  t.match(result.stdout, /\['a b'\] line\n/)
  t.notMatch(result.stdout, release())
  t.ok(result.isolation.enforced.includes('kernel:gvisor'))
})

t.test('JavaScript and TypeScript run too', async (t) => {
  const files = [
    { path: 'main.ts', content: 'const n: number = 6\nconsole.log(n * 7, require("fs").readFileSync(0, "utf8"))' },
  ]
  t.match(await run({ language: 'typescript', files, stdin: 'in' }), { outcome: 'ok', stdout: '42 in\n' })
})

t.test('checks are judged outside the candidate, and what it leaves is given back', async (t) => {
  const checks = [{ id: 'c', entryPoint: 'f', source: 'assert f(3) == 9' }]
  t.match(await python('def f(x):\n  return x * x', { checks }), { checks: [{ verdict: 'pass', calls: 1 }] })
  t.match(await python('def f(x):\n  import os\n  os._exit(0)', { checks }), { checks: [{ verdict: 'fail' }] })
  const left = await python('open("out.txt", "w").write("x")', { artifacts: ['*.txt'] })
  t.match(left.artifacts, [{ path: 'out.txt', base64: 'eA==' }])
})

t.test('exit status, signals and output come back as they are', async (t) => {
  t.match(await python('import sys\nprint("x" * 5000)\nsys.exit(44)'), { outcome: 'runtime_error', exitCode: 44 })
  t.match(await python('import os\nos.kill(os.getpid(), 11)'), { outcome: 'killed', signal: 'SIGSEGV' })
  const flood = await python('while True: print("abcdefg")', { limits: { outputBytes: 4096 } })
  t.match(flood, { outcome: 'output_limit', truncated: { stdout: true } })
})
