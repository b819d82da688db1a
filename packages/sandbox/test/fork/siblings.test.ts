import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { newMarker, processesWith, until } from '../support/processes.ts'

process.env['SANDBOX_TEST_TIER'] = 'fork'
const { readySandbox, sandboxFor } = await import('../support/sandbox.ts')

const { run, sandbox } = await sandboxFor(t)
const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })

t.test('the self-test has one program attack another and says what came of it', async (t) => {
  const { checks } = await sandbox.selfTest()
  const names = checks.filter(({ name }) => name.startsWith('siblings')).map(({ name }) => name)
  t.ok(names.length >= 8, names.join('; '))
})

t.test('a program that signals whatever it can reach leaves its neighbour and the server alone', async (t) => {
  const marker = newMarker()
  const waits = `import os\nprint("up", flush=True)\nif os.fork() == 0:\n  os.execv("/bin/sleep", ["sleep", "${marker}"])\nos.wait()`
  const abort = new AbortController()
  const neighbour = run({ language: 'python', files: [{ path: 'm.py', content: waits }] }, abort.signal)
  await until(() => processesWith(marker).length === 1)
  const attack = `
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for target in [0, -1, *range(-300, -1), *range(1, 70000)]:
    if target not in (os.getpid(), -os.getpid()):
        for number in (signal.SIGTERM, signal.SIGKILL) if target not in (0, -1) else (signal.SIGTERM,):
            try: os.kill(target, number)
            except OSError: pass
for group in range(1, 300):
    if group != os.getpgid(0):
        try: os.killpg(group, signal.SIGKILL)
        except OSError: pass
print("done")`
  t.match(await python(attack), { outcome: 'ok', stdout: 'done\n' })
  t.equal(processesWith(marker).length, 1, 'the neighbour lives')
  abort.abort(new Error('over'))
  await t.rejects(neighbour, /over/)
  t.same(processesWith(marker), [])
})

t.test('what an execution leaves, the next one does not find', async (t) => {
  const leaves = `
import builtins, collections, os, sys, typing, random, signal
builtins.left = collections.left = typing.left = "left"
builtins.len = lambda x: 77
sys.path.append("/left"); sys.setrecursionlimit(77777); sys.modules["left"] = sys
os.environ["LEFT"] = "left"; os.umask(0o777); signal.signal(signal.SIGUSR1, lambda *a: None)
open("/tmp/left", "w"); os.nice(5); random.seed(1)
print("left")`
  const looks = `
import builtins, collections, os, sys, typing, signal
print([hasattr(m, "left") for m in (builtins, collections, typing)], len([1]), "/left" in sys.path, sys.getrecursionlimit(),
      "left" in sys.modules, "LEFT" in os.environ, os.umask(0o22), signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL,
      os.listdir("/tmp"), os.nice(0), hash("a"))`
  const before = await python(looks)
  t.match(before, { outcome: 'ok', stdout: /^\[False, False, False\] 1 False 1000 False False 18 True \['work'\] 0 / })
  t.match(await python(leaves), { outcome: 'ok', stdout: 'left\n' })
  t.equal((await python(looks)).stdout, before.stdout, 'and the order of sets is the same each time')
})

t.test('neighbours do not draw the same random numbers', async (t) => {
  const draw = 'import random, os, tempfile, uuid\nprint(random.random(), os.urandom(8), uuid.uuid4())'
  const results = await Promise.all([python(draw), python(draw), python(draw)])
  t.equal(new Set(results.map(({ stdout }) => stdout.split(' ')[0])).size, 3)
  t.equal(new Set(results.map(({ stdout }) => stdout)).size, 3)
})

t.test('the server and the runner cannot be reached from a fork', async (t) => {
  const result = await python(`
import os, socket, json
out = []
for path in ("/tmp/link", "/tmp/link/runner", "/opt/loopgate/link/runner", "/proc/1/root/tmp/link/runner"):
    try:
        socket.socket(socket.AF_UNIX).connect(path); out.append("reached")
    except OSError as error: out.append(error.strerror)
print(json.dumps(out), [os.readlink("/proc/self/fd/" + n).split(":")[0] for n in ("0", "1", "2", "3")], os.getppid())`)
  t.notMatch(result.stdout, /reached/)
  t.match(result, { outcome: 'ok', stdout: /"\] \['\/dev\/null', 'socket', 'socket', 'socket'\] 1\n$/ })
})

t.test('a server is replaced after its number of forks while executions go on', async (t) => {
  const few = await readySandbox(t, { forksOfOne: 5 })
  if ('refused' in few) return t.fail(few.refused)
  const results = await Promise.all(
    Array.from({ length: 24 }, (_, i) =>
      few.run({ language: 'python', files: [{ path: 'm.py', content: `print(${i})` }] }),
    ),
  )
  t.same(
    results.map(({ stdout }) => stdout.trim()),
    results.map((_, i) => String(i)),
  )
})

t.test(
  'a server that dies takes its executions as faults of the machine, and the next run has a new one',
  async (t) => {
    const own = await readySandbox(t)
    if ('refused' in own) return t.fail(own.refused)
    const marker = newMarker()
    const waits = `import os\nif os.fork() == 0:\n  os.execv("/bin/sleep", ["sleep", "${marker}"])\nos.wait()`
    const running = own.run({ language: 'python', files: [{ path: 'm.py', content: waits }] })
    await until(() => processesWith(marker).length === 1)
    process.kill(serverAbove(processesWith(marker)[0] ?? 0), 'SIGKILL')
    t.match(await running, { outcome: 'internal_error', checks: [] })
    t.same(processesWith(marker), [])
    t.match(await own.run({ language: 'python', files: [{ path: 'm.py', content: 'print(1)' }] }), { stdout: '1\n' })
  },
)

t.test('the death of the runner ends the server and what it has forked', async (t) => {
  const marker = newMarker()
  const program = fileURLToPath(new URL('../support/run-for-ever.ts', import.meta.url))
  const child = spawn(process.execPath, [program, marker], { env: process.env, stdio: 'inherit' })
  t.teardown(() => child.kill('SIGKILL'))
  // The program's own arguments hold the marker too.
  const sleepers = () => processesWith(`sleep\0${marker}`)
  await until(() => sleepers().length === 1)
  const server = serverAbove(sleepers()[0] ?? 0)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until(() => sleepers().length === 0 && !existsSync(`/proc/${server}`))
})

/** The server of forks above a process: its parent's parent's parent is the fork's init's. */
function serverAbove(pid: number): number {
  for (let each = pid; each > 1; each = parentOf(each)) {
    const line = readFileSync(`/proc/${each}/cmdline`, 'utf8')
    const above = readFileSync(`/proc/${parentOf(each)}/cmdline`, 'utf8')
    if (line.includes('zygote.pyc') && !line.includes('bwrap') && above.includes('--info-fd')) return each
  }
  throw new Error('no server of forks above it')
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}
