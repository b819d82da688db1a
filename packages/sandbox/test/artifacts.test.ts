import { createHash } from 'node:crypto'
import t from 'tap'
import { pathFilter } from '../src/artifacts/pattern.ts'
import { sandboxFor } from './support/sandbox.ts'

const { run } = await sandboxFor(t)
const left = async (content: string, artifacts: string[], limits: object = {}) => {
  const result = await run({ language: 'python', files: [{ path: 'main.py', content }], artifacts, limits })
  return { result, artifacts: result.artifacts ?? [] }
}

t.test('files are given back by path and pattern, with their hash and exactly their bytes', async (t) => {
  const source = `
import os
os.makedirs("out/deep")
open("out/a.bin", "wb").write(bytes(range(256)))
open("out/deep/b.txt", "w").write("b")
open("c.txt", "w").write("c")
open("other", "w").write("not asked for")`
  const { artifacts } = await left(source, ['out/a.bin', '**/*.txt'])
  t.same(
    artifacts.map(({ path }) => path),
    ['c.txt', 'out/a.bin', 'out/deep/b.txt'],
  )
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  t.same(artifacts[1], {
    path: 'out/a.bin',
    sizeBytes: 256,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    base64: bytes.toString('base64'),
  })
})

t.test('no link, pipe, socket, hole or second name of a file is followed or opened; each is listed', async (t) => {
  const source = `
import os, socket
os.mkdir("out")
os.symlink("/etc/ld.so.cache", "out/1-symlink")
os.symlink("/proc/self/environ", "out/2-environ")
socket.socket(socket.AF_UNIX).bind("out/3-socket")
open("out/4-file", "w").write("x")
os.link("out/4-file", "out/5-hard")
os.truncate(os.open("out/6-sparse", os.O_CREAT | os.O_RDWR), 12 << 20)
os.symlink("/usr", "7-folder")
open("out/8-big", "wb").write(b"x" * (3 << 20))
open("out/9-closed", "w").write("c"); os.chmod("out/9-closed", 0)
open(b"out/bad-\\xff", "w").write("x")`
  const { artifacts, result } = await left(source, ['**'])
  t.equal(result.outcome, 'ok', result.stderr)
  const reasons = Object.fromEntries(artifacts.map(({ path, skippedReason }) => [path, skippedReason]))
  t.match(reasons, {
    'out/1-symlink': 'symlink',
    'out/2-environ': 'symlink',
    'out/3-socket': 'not_a_file',
    'out/4-file': 'hard_link',
    'out/5-hard': 'hard_link',
    'out/6-sparse': 'sparse',
    '7-folder': 'symlink',
    'out/8-big': 'too_large',
    'out/bad-\uFFFD': 'bad_name',
    'main.py': undefined,
  })
  t.equal(artifacts.filter(({ path, base64 }) => reasons[path] !== undefined && base64 !== undefined).length, 0)
  t.notMatch(JSON.stringify(artifacts), /7-folder\//, 'no way through a link to a folder')
})

t.test('what a process writes after the program has ended is in no artifact', async (t) => {
  const source = `
import os, time
open("a", "w").write("before")
if os.fork() == 0:
    os.setsid()
    while True:
        open("a", "w").write("after"); time.sleep(0.001)
os._exit(0)`
  const { artifacts } = await left(source, ['a'])
  t.equal(artifacts.length, 1)
  t.match(Buffer.from(artifacts[0]?.base64 ?? '', 'base64').toString(), /^(before|after|)$/)
})

t.test('thousands of names and a deep tree are walked no further than their bounds', async (t) => {
  const source = `
import os
for i in range(3000): open(f"f{i:04}", "w").close()
path = "d"
for i in range(60):
    os.mkdir(path); path += "/d"`
  const { artifacts, result } = await left(source, ['**'])
  t.equal(result.outcome, 'ok', result.stderr)
  t.equal(artifacts.length, 64)
  t.equal(artifacts.at(-1)?.skippedReason, 'too_many')
})

t.test('artifacts of a program that was ended for a limit are those that it had left by then', async (t) => {
  const source = 'open("a", "w").write("1")\nwhile True: pass'
  const { result, artifacts } = await left(source, ['a', 'b'], { cpuMs: 200 })
  t.equal(result.outcome, 'time_limit')
  t.match(artifacts, [{ path: 'a', base64: Buffer.from('1').toString('base64') }])
})

t.test('a full disk and refused processes are told', async (t) => {
  const full = await left('try:\n  open("x", "wb").write(b"x" * (8 << 20))\nexcept OSError as e: print(e.errno)', [], {
    diskBytes: 1024 * 1024,
  })
  t.match(full.result, { outcome: 'ok', stdout: '28\n', counters: { diskFull: true } })
  const forks = `
import os, time
try:
    while True:
        if os.fork() == 0: time.sleep(60)
except OSError: print("refused")`
  const many = await left(forks, [], { processes: 8 })
  t.match(many.result, { outcome: 'ok', stdout: 'refused\n', counters: { diskFull: false, oomKills: 0 } })
  const isCounted = many.result.isolation.enforced.some((each) => each.endsWith(':pids'))
  t.equal((many.result.counters?.pidsMaxHits ?? 0) > 0, isCounted)
})

t.test('a pattern matches in time that a stranger cannot stretch', (t) => {
  const isWanted = pathFilter([`${'*a'.repeat(120)}b`, 'out/**/x?.txt', '**'])
  t.ok(isWanted('a'.repeat(250)))
  const strict = pathFilter([`${'*a'.repeat(120)}b`])
  t.notOk(strict('a'.repeat(250)))
  t.ok(pathFilter(['out/**/x?.txt'])('out/a/b/x1.txt'))
  t.notOk(pathFilter(['*.txt'])('a/b.txt'))
  t.notOk(pathFilter(['a+b'])('aab'))
  t.end()
})
