import t from 'tap'
import { ownPrefix } from '../src/owner.ts'
import { newMarker, processesWith, until } from './support/processes.ts'
import { noJavascript, sandboxFor, TIER, WARM } from './support/sandbox.ts'

const { run } = await sandboxFor(t)
const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })
const javascript = (content: string, path = 'main.js', rest: object = {}) =>
  run({ language: 'javascript', files: [{ path, content }], ...rest })

t.test('a Python program gets its arguments and standard input and its output comes back', async (t) => {
  const result = await python('import sys\nprint(sys.argv[1:], sys.stdin.read())\nprint("é", file=sys.stderr)', {
    args: ['a b', 'ü'],
    stdin: 'line ÿ\n',
  })
  t.match(result, { outcome: 'ok', exitCode: 0, signal: null, stdout: "['a b', 'ü'] line ÿ\n\n", stderr: 'é\n' })
  t.same(result.isolation.achieved, TIER)
  t.match(result.runtime, { language: 'python', version: /^3\.\d+\.\d+$/ })
})

t.test('a program sees its files, in folders too, and can import them', async (t) => {
  const result = await run({
    language: 'python',
    files: [
      { path: 'pkg/tool.py', content: 'def twice(x):\n  return 2 * x' },
      { path: 'data.bin', content: Buffer.from([0, 255, 10]).toString('base64'), encoding: 'base64' },
      { path: 'start.py', content: 'from pkg.tool import twice\nprint(twice(21), open("data.bin","rb").read())' },
    ],
    entry: 'start.py',
  })
  t.match(result, { outcome: 'ok', stdout: "42 b'\\x00\\xff\\n'\n" })
})

t.test('a Python entry runs as the main program and its exit status is reported', async (t) => {
  const result = await python('import sys\nif __name__ == "__main__":\n  print("main")\n  sys.exit(44)')
  t.match(result, { outcome: 'runtime_error', exitCode: 44, signal: null, stdout: 'main\n' })
})

t.test('what does not parse is a compile error before a line of it has run', async (t) => {
  const bad = await python('print("started")\ndef f(:\n  pass')
  t.match(bad, { outcome: 'compile_error', stdout: '', stderr: /SyntaxError/ })
  if (noJavascript !== false) return
  const worse = await javascript('console.log("started");\nfunction f( {')
  t.match(worse, { outcome: 'compile_error', stdout: '', stderr: /SyntaxError/ })
  const module = await javascript('import fs from "node:fs";\nconsole.log("started")\nconst = 1', 'main.mjs')
  t.match(module, { outcome: 'compile_error', stdout: '' })
})

t.test('an entry that is none of the files is a compile error', async (t) => {
  t.match(await python('', { entry: 'other.py' }), { outcome: 'compile_error', stderr: /other\.py/ })
  if (noJavascript !== false) return
  t.match(await javascript('', 'a.js', { entry: 'other.js' }), { outcome: 'compile_error', stderr: /other\.js/ })
})

t.test('an exception is a runtime error whose traceback names the program alone', async (t) => {
  const result = await python('def f():\n  return 1 / 0\nf()')
  t.match(result, { outcome: 'runtime_error', exitCode: 1, stderr: /main\.py", line 2[\s\S]*ZeroDivisionError/ })
  t.notMatch(result.stderr, /loopgate/, 'no frame of the bootstrap')
  if (noJavascript !== false) return
  t.match(await javascript('JSON.parse("{")'), { outcome: 'runtime_error', exitCode: 1, stderr: /SyntaxError/ })
})

t.test(
  'JavaScript runs as a script, as a module by its syntax, and as a module by its name',
  { skip: noJavascript },
  async (t) => {
    t.match(await javascript('console.log(require.main === module, process.argv[2])', 'a.js', { args: ['x'] }), {
      outcome: 'ok',
      stdout: 'true x\n',
    })
    t.match(await javascript('import { sep } from "node:path"\nconsole.log(await Promise.resolve(sep))'), {
      outcome: 'ok',
      stdout: '/\n',
    })
    t.match(await javascript('export const x = 1; console.log(typeof require)', 'a.mjs'), { stdout: 'undefined\n' })
  },
)

t.test('a death by signal is `killed`, and the exit status of the same number is not', async (t) => {
  t.match(await python('import os\nos.kill(os.getpid(), 11)'), { outcome: 'killed', exitCode: null, signal: 'SIGSEGV' })
  t.match(await python('import sys\nsys.exit(137)'), { outcome: 'runtime_error', exitCode: 137, signal: null })
  if (noJavascript !== false) return
  t.match(await javascript('process.exit(139)'), { outcome: 'runtime_error', exitCode: 139, signal: null })
})

t.test('a computation that does not end runs into its CPU limit', async (t) => {
  const spin = await python('while True: pass', { limits: { cpuMs: 300 } })
  t.match(spin, { outcome: 'time_limit', exitCode: null, signal: 'SIGKILL' })
  t.ok(spin.cpuMs === null || spin.cpuMs >= 300, 'the CPU time passed the limit')
  if (noJavascript !== false) return
  t.match(await javascript('for (;;);', 'a.js', { limits: { cpuMs: 300 } }), { outcome: 'time_limit' })
})

t.test('a program that waits for ever, ignores SIGTERM or stops itself runs into its wall limit', async (t) => {
  const limits = { wallMs: 600 }
  const ignores = 'import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)'
  const results = await Promise.all([
    python(ignores, { limits }),
    python('import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)', { limits }),
    ...(noJavascript === false ? [javascript('setInterval(() => {}, 1000)', 'a.js', { limits })] : []),
  ])
  for (const result of results) t.match(result, { outcome: 'time_limit', signal: 'SIGKILL' })
})

t.test(
  'output beyond its limit ends the program, and exactly that many bytes are kept: a head and a tail',
  async (t) => {
    const flood = await python('import sys\nwhile True: sys.stdout.write("abcdefgh" * 1000)', {
      limits: { outputBytes: 65_536 },
    })
    t.match(flood, { outcome: 'output_limit', truncated: { stdout: true, stderr: false } })
    const { bytesTotal = 0, omittedBytes = 0 } = flood.streams?.stdout ?? {}
    t.equal(bytesTotal - omittedBytes, 65_536)
    const [head, tail] = flood.stdout.split(`\n[... ${omittedBytes} bytes left out ...]\n`)
    t.ok(head === 'abcdefgh'.repeat(32_768 / 8) && tail?.length === 32_768, 'half of it from the start')
    const exact = await python('print("x" * 1023)', { limits: { outputBytes: 1024 } })
    t.match(exact, { outcome: 'ok', truncated: { stdout: false } }, 'the limit itself is allowed')
  },
)

t.test('output that is no UTF-8 comes back with replacement characters, not as a failure', async (t) => {
  const result = await python('import sys\nsys.stdout.buffer.write(b"a\\xffb\\x00\\xe2\\x82")')
  t.match(result, { outcome: 'ok', stdout: 'a\uFFFDb\0\uFFFD' })
  t.equal(Buffer.from(result.streams?.stdout.base64 ?? '', 'base64').toString('hex'), '61ff6200e282')
})

t.test('memory beyond its limit is a memory limit in both languages', async (t) => {
  const limits = { memoryBytes: 128 * 1024 * 1024 }
  t.match(await python('x = bytearray(10**9)', { limits }), { outcome: 'memory_limit' })
  t.match(await python('x = []\nwhile True: x.append("y" * 10**6)', { limits }), { outcome: 'memory_limit' })
  if (noJavascript !== false) return
  const heap = await javascript('const x = []; for (;;) x.push(new Array(1000).fill(x.length))', 'a.js', { limits })
  t.match(heap, { outcome: 'memory_limit' })
})

t.test('a program that ended while its daemon holds stdout has ended, and nothing of it lives on', async (t) => {
  const marker = newMarker()
  const source = `
import os
print("parent", flush=True)
if os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["sleep", "${marker}"])
os._exit(0)
`
  t.match(await python(source), { outcome: 'ok', stdout: 'parent\n' })
  t.same(processesWith(marker), [])
})

t.test('an aborted execution is killed and rejects with the reason of the abort', async (t) => {
  const marker = newMarker()
  const abort = new AbortController()
  const reason = new Error('nobody wants it')
  const content = `import os\nos.execv("/bin/sleep", ["sleep", "${marker}"])`
  const running = run({ language: 'python', files: [{ path: 'm.py', content }] }, abort.signal)
  await until(() => processesWith(marker).length === 1)
  abort.abort(reason)
  await t.rejects(running, reason)
  t.same(processesWith(marker), [])
})

t.test('an execution aborted while it starts leaves nothing behind either', async (t) => {
  // Its arguments name the folder of bootstraps, which is this process's own. A server of forks stays.
  const before = processesWith(ownPrefix())
  const marker = newMarker()
  const content = `import os\nos.execv("/bin/sleep", ["sleep", "${marker}"])`
  const rounds = Array.from({ length: 12 }, async (_, i) => {
    const abort = new AbortController()
    const running = run({ language: 'python', files: [{ path: 'm.py', content }] }, abort.signal)
    setTimeout(() => abort.abort(new Error('early')), i)
    await t.rejects(running, /early/)
  })
  await Promise.all(rounds)
  t.same(processesWith(marker), [])
  if (WARM) return // those that are started ahead come and go
  t.same(processesWith(ownPrefix()), before, 'no bubblewrap that still waits')
  t.ok(TIER === 'fork' || before.length === 0)
})
