import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { symlinkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { executionRequestSchema } from '@loopgate/contracts'
import t from 'tap'
import { newMarker, processesWith } from './support/processes.ts'
import { sandboxFor, TIER } from './support/sandbox.ts'

const { run } = await sandboxFor(t)
const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })

/** Runs expressions inside and gives back what each came to: a value, or the name of its error. */
async function inside(expressions: readonly string[], imports = 'import os, socket, ctypes'): Promise<unknown[]> {
  const source = `
${imports}
import json
out = []
def attempt(f):
    try:
        out.append(f())
    except OSError as error:
        out.append(errno.errorcode.get(error.errno, "?"))
    except Exception as error:
        out.append(type(error).__name__)
import errno
${expressions.map((expression) => `attempt(lambda: ${expression})`).join('\n')}
print(json.dumps(out))
`
  const result = await python(source)
  return JSON.parse(result.stdout || JSON.stringify([result.outcome, result.stderr])) as unknown[]
}

t.test(
  'no secret of this process is inside: neither in the environment of any process nor in a descriptor',
  async (t) => {
    process.env['CEREBRAS_API_KEY'] = 'csk-canary-5d1f'
    t.teardown(() => delete process.env['CEREBRAS_API_KEY'])
    const source = `
import os
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for file in ("environ", "cmdline"):
        try:
            print(pid, file, open(f"/proc/{pid}/{file}", "rb").read())
        except OSError as error:
            print(pid, file, error.strerror)
print(dict(os.environ))
for fd in os.listdir("/proc/self/fd"):
    try:
        print(fd, os.readlink("/proc/self/fd/" + fd))
    except OSError:
        pass
`
    const result = await python(source)
    t.equal(result.outcome, 'ok')
    // A fork's init may not be read at all.
    t.match(result.stdout, TIER === 'fork' ? /1 environ Permission denied/ : /1 environ b''/)
    t.notMatch(result.stdout, /canary|LOOPGATE|CEREBRAS/)
    const descriptors = [...result.stdout.matchAll(/^(\d+) (?:socket|pipe|\/)/gm)].map((match) => Number(match[1]))
    t.ok(
      descriptors.length >= 3 && descriptors.every((descriptor) => descriptor <= 4),
      `descriptors ${descriptors.join()}`,
    )
  },
)

t.test('host files are out of reach, by path and by symbolic link', async (t) => {
  const folder = mkdtempSync('/var/tmp/loopgate-test-')
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const secret = join(folder, 'secret')
  writeFileSync(secret, 'canary', { mode: 0o644 })
  symlinkSync(secret, join(folder, 'link'))
  const results = await inside([
    `open(${JSON.stringify(secret)}).read()`,
    `os.symlink(${JSON.stringify(secret)}, "/tmp/work/link") or open("/tmp/work/link").read()`,
    'open("/etc/passwd").read()',
    'open("/proc/1/root" + "/etc/passwd").read()',
    'os.listdir("/home")',
    'os.listdir("/root")',
    'os.listdir("/var")',
    'os.listdir("/sys")',
    'sorted(os.listdir("/etc"))',
    'sorted(os.listdir("/dev"))',
  ])
  t.same(results, [
    ...Array.from({ length: 3 }, () => 'ENOENT'),
    TIER === 'fork' ? 'EACCES' : 'ENOENT',
    ...Array.from({ length: 4 }, () => 'ENOENT'),
    ['ld.so.cache'],
    ['fd', 'full', 'null', 'random', 'shm', 'urandom', 'zero'],
  ])
})

t.test('nothing but /tmp can be written, and /tmp holds no more than its limit', async (t) => {
  const results = await inside([
    'open("/new", "w")',
    'open("/usr/new", "w")',
    'open("/dev/new", "w")',
    'open("/opt/loopgate/python/candidate.pyc", "r+b")',
    'open("/proc/sys/kernel/core_pattern", "r+")',
    'open("/proc/sys/vm/drop_caches", "w")',
    'open("/proc/self/oom_score_adj", "w").write("-1000")',
    'open("/tmp/big", "wb").write(b"x" * (40 << 20))',
    'os.stat("/tmp/big").st_size <= 16 << 20',
  ])
  for (const result of results.slice(0, 7)) t.match(result, /^(EROFS|EACCES)$/)
  t.match(results[7], /^(ENOSPC|EFBIG)$/)
  t.equal(results[8], true)
})

t.test('there is no network: neither this machine, nor its abstract sockets, nor the world', async (t) => {
  const server = createServer((socket) => socket.end('canary')).listen(0, '127.0.0.1')
  const local = createServer((socket) => socket.end('canary')).listen('\0loopgate-test')
  await Promise.all([once(server, 'listening'), once(local, 'listening')])
  t.teardown(() => {
    server.close()
    local.close()
  })
  const { port } = server.address() as AddressInfo
  const connect = (family: string, address: string) =>
    `(lambda s: (s.settimeout(2), s.connect(${address}), s.recv(10).decode()))(socket.socket(socket.${family}))`
  const results = await inside([
    connect('AF_INET', `("127.0.0.1", ${port})`),
    connect('AF_UNIX', `"\\0loopgate-test"`),
    connect('AF_INET', '("169.254.169.254", 80)'),
    'socket.getaddrinfo("example.com", 80) and "resolved"',
  ])
  t.same(results, ['ECONNREFUSED', 'ECONNREFUSED', 'ENETUNREACH', results[3]])
  t.not(results[3], 'resolved')
})

t.test('a fork bomb is stopped and nothing of it is left', async (t) => {
  const marker = newMarker()
  const source = `
import os
count = 0
while True:
    try:
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "${marker}"])
        count += 1
    except OSError:
        print(count, flush=True)
        break
while True:
    try:
        os.fork()
    except OSError:
        pass
`
  const result = await python(source, { limits: { processes: 20, cpuMs: 500 } })
  t.equal(result.outcome, 'time_limit')
  t.ok(Number(result.stdout) > 0 && Number(result.stdout) < 20, `started ${result.stdout.trim()} of 20`)
  t.same(processesWith(marker), [])
})

t.test('the limit of processes is one of the sandbox, not of the user that starts sandboxes', async (t) => {
  const source = `
import os, time
pids = []
for _ in range(12):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    pids.append(pid)
print(len(pids))
`
  const results = await Promise.all([1, 2, 3].map(() => python(source, { limits: { processes: 16 } })))
  for (const result of results) t.match(result, { outcome: 'ok', stdout: '12\n' })
})

t.test('a program can kill what is in its sandbox and nothing else', async (t) => {
  const source = `
import os
for pid in (-1, 1):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
print("still here")
`
  t.match(await python(source), { outcome: 'ok', stdout: 'still here\n' })
  const results = await inside([
    'os.getppid()',
    'len([p for p in os.listdir("/proc") if p.isdigit()])',
    'os.kill(3000, 9)',
  ])
  t.same(results, [1, 2, 'ESRCH'])
})

t.test('system calls that have been ways out are refused', async (t) => {
  const call = (...numbers: Array<number | string>) =>
    `(lambda r: r if r >= 0 else errno.errorcode[ctypes.get_errno()])(ctypes.CDLL(None, use_errno=True).syscall(${numbers.join(', ')}))`
  const x64: Record<string, number> = {
    unshare: 272,
    clone: 56,
    clone3: 435,
    io_uring: 425,
    bpf: 321,
    keyctl: 250,
    perf: 298,
    userfaultfd: 323,
    mount: 165,
    ptrace: 101,
  }
  const arm64: Record<string, number> = {
    unshare: 97,
    clone: 220,
    clone3: 435,
    io_uring: 425,
    bpf: 280,
    keyctl: 219,
    perf: 241,
    userfaultfd: 282,
    mount: 40,
    ptrace: 117,
  }
  const n = process.arch === 'arm64' ? arm64 : x64
  const NEWUSER = 0x1000_0000
  const results = await inside([
    call(n['unshare'] ?? 0, NEWUSER),
    call(n['clone'] ?? 0, NEWUSER | 17, 0, 0, 0, 0),
    call(n['clone3'] ?? 0, 0, 0),
    call(n['io_uring'] ?? 0, 8, 0),
    call(n['bpf'] ?? 0, 0, 0, 0),
    call(n['keyctl'] ?? 0, 0, 0),
    call(n['perf'] ?? 0, 0, 0, 0, 0, 0),
    call(n['userfaultfd'] ?? 0, 0),
    call(n['mount'] ?? 0, 0, 0, 0, 0, 0),
    call(n['ptrace'] ?? 0, 16, 1, 0, 0),
    'os.setuid(0)',
    'os.mknod("/tmp/dev", 0o60600, 1)',
    'os.chroot("/tmp")',
  ])
  t.same(results, [
    'EPERM',
    'EPERM',
    'ENOSYS',
    'EPERM',
    'EPERM',
    'EPERM',
    'EPERM',
    'EPERM',
    'EPERM',
    'EPERM',
    'EINVAL',
    'EPERM',
    'EPERM',
  ])
})

t.test('a full disk of empty files ends the program, not the machine', async (t) => {
  const source = 'i = 0\nwhile True:\n  open(f"/tmp/{i}", "w").close()\n  i += 1'
  const result = await python(source, { limits: { memoryBytes: 64 * 1024 * 1024, cpuMs: 3000 } })
  t.match(result.outcome, /^(memory_limit|runtime_error|time_limit)$/)
})

t.test('paths that leave the working folder are refused before there is a sandbox', (t) => {
  for (const path of ['../x', '/etc/x', 'a/../../x', 'a\\x', 'a\0b', '', 'a//b', './a', 'x'.repeat(256)]) {
    const parsed = executionRequestSchema.safeParse({ language: 'python', files: [{ path, content: '' }] })
    t.notOk(parsed.success, JSON.stringify(path.slice(0, 20)))
  }
  t.end()
})

t.test('files that cannot stand together are refused before there is a sandbox', (t) => {
  for (const paths of [
    ['a.py', 'a.py'],
    ['a', 'a/b.py'],
  ]) {
    const files = paths.map((path) => ({ path, content: '' }))
    t.notOk(executionRequestSchema.safeParse({ language: 'python', files }).success, paths.join())
  }
  const files = ['a/b.py', 'a/c.py', 'a.py'].map((path) => ({ path, content: '' }))
  t.ok(executionRequestSchema.safeParse({ language: 'python', files }).success)
  t.end()
})
