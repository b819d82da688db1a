// Hostile programs through gVisor, which answers their system calls, and through the jail around it.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ownPrefix } from '../../src/owner.ts'

process.env['SANDBOX_TEST_TIER'] = 'gvisor'
const { sandboxFor } = await import('../support/sandbox.ts')
const { newMarker, processesWith } = await import('../support/processes.ts')
const { run } = await sandboxFor(t)
const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })

t.test('nothing of this machine is in sight, and nothing but /tmp can be written', async (t) => {
  process.env['CEREBRAS_API_KEY'] = 'csk-canary-gvisor'
  t.teardown(() => delete process.env['CEREBRAS_API_KEY'])
  const folder = mkdtempSync('/tmp/loopgate-canary-')
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'canary'), 'secret')
  const source = `
import os, socket
seen = [open("/proc/%s/environ" % p, "rb").read() for p in os.listdir("/proc") if p.isdigit()]
print(any(b"canary" in each or b"CEREBRAS" in each for each in seen))
print([p for p in ("/etc/passwd", "/root", "/home", "/var", "/run", "/opt/runsc", "/gvisor", ${JSON.stringify(folder)}) if os.path.lexists(p)])
print(sorted(os.listdir("/tmp")))
def tried(f):
    try:
        f()
        return "done"
    except OSError as error:
        return type(error).__name__
print([tried(lambda: open(p, "w")) for p in ("/x", "/usr/x", "/opt/x", "/proc/sys/kernel/core_pattern")])
print(tried(lambda: socket.create_connection(("1.1.1.1", 53), 2)), tried(lambda: os.mknod("/tmp/d", 0o60600, os.makedev(8, 0))))`
  const { stdout, outcome, stderr } = await python(source)
  const [secret, visible, tmp, written, out] = stdout.split('\n')
  t.match({ outcome, secret, visible, tmp, stderr }, { outcome: 'ok', secret: 'False', visible: '[]', tmp: "['work']" })
  t.notMatch(written, /done/)
  t.notMatch(out, /done/)
  t.same(readdirSync(folder), ['canary'])
})

t.test('time, memory and disk have their limits', async (t) => {
  const limits = { cpuMs: 500, wallMs: 4000, memoryBytes: 128 * 1024 * 1024 }
  t.match(await python('while True: pass', { limits }), { outcome: 'time_limit' })
  t.match(await python('import time\ntime.sleep(100)', { limits: { wallMs: 600 } }), { outcome: 'time_limit' })
  t.match(await python('x = []\nwhile True: x.append("y" * 10**6)', { limits: { ...limits, cpuMs: 4000 } }), {
    outcome: 'memory_limit',
  })
  const disk = await python('with open("big", "wb") as f:\n  while True: f.write(b"x" * 10**6)')
  t.match(disk, { outcome: 'runtime_error', stderr: /No space left/, counters: { diskFull: true } })
})

t.test('a fork bomb and a daemon leave nothing behind', async (t) => {
  const marker = newMarker()
  const bomb = 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass'
  const { outcome } = await python(bomb, { limits: { wallMs: 2000, processes: 16 } })
  t.not(outcome, 'ok')
  t.not(outcome, 'internal_error')
  const daemon = `import os\nif os.fork() == 0:\n  os.setsid()\n  os.execv("/bin/sleep", ["sleep", "${marker}"])\nos._exit(0)`
  t.match(await python(daemon), { outcome: 'ok' })
  t.same(processesWith(marker), [])
  // The folder of bootstraps, which is this process's own, is among the arguments of each bubblewrap.
  t.same(processesWith(ownPrefix()), [])
})
