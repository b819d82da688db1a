import t from 'tap'
import type { ExecutionInput } from '@loopgate/contracts'
import type { SandboxResult } from '../src/types.ts'
import { watchLeftovers } from './support/leftovers.ts'
import { newMarker, processesWith } from './support/processes.ts'
import { sandboxFor, TIER, type TestSandbox } from './support/sandbox.ts'

/*
 * Programs that attack the machine rather than a limit that they name. Each has its expected outcome, a small
 * program is served all the while, and nothing of either may be left. Those that only look around are in
 * hostile.test.ts, links and pipes as artifacts in artifacts.test.ts, forged verdicts in forgeries.test.ts.
 */
const { run, sandbox } = await sandboxFor(t)
const offered = new Set((await sandbox.selfTest()).languages.map(({ language }) => language))

type Hostile = {
  readonly name: string
  readonly language: string
  readonly source: string
  readonly limits?: ExecutionInput['limits']
  readonly expected: object
}

const FILES: Readonly<Record<string, string>> = { python: 'a.py', javascript: 'a.js', c: 'a.c' }
const MIB = 1024 * 1024
const marker = newMarker()
const sleeper = `os.execv("/bin/sleep", ["sleep", "${marker}"])`
const counted = (await sandbox.selfTest()).enforced.some((each) => each.endsWith(':pids'))

const PROGRAMS: readonly Hostile[] = [
  {
    name: 'a fork bomb of bombs',
    language: 'python',
    source: 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
    limits: { processes: 16, cpuMs: 400 },
    expected: { outcome: 'time_limit', ...(counted && { counters: { pidsMaxHits: /^[1-9]/ } }) },
  },
  {
    name: 'a flood of both outputs',
    language: 'python',
    source: 'import os\nwhile True:\n  os.write(1, b"x" * 65536); os.write(2, b"y" * 65536)',
    expected: { outcome: 'output_limit', signal: 'SIGKILL' },
  },
  {
    name: 'a daemon that has closed all it had',
    language: 'python',
    source: `import os\nif os.fork() == 0:\n  os.setsid(); os.closerange(0, 256)\n  if os.fork() == 0: ${sleeper}\n  os._exit(0)\nprint("parent", flush=True)\nos._exit(0)`,
    expected: { outcome: 'ok', stdout: 'parent\n' },
  },
  {
    name: 'a child that writes when the parent has ended',
    language: 'python',
    source:
      'import os, time\nif os.fork() == 0:\n  time.sleep(0.05)\n  while True: os.write(1, b"late\\n")\nprint("parent", flush=True)\nos._exit(7)',
    expected: { outcome: 'runtime_error', exitCode: 7, stdout: 'parent\n' },
  },
  {
    name: 'a crowd of threads that spin',
    language: 'python',
    source: 'import threading\ndef f():\n  while True: pass\nfor _ in range(8): threading.Thread(target=f).start()',
    limits: { cpuMs: 300 },
    expected: { outcome: 'time_limit' },
  },
  {
    name: 'a regular expression that takes for ever',
    language: 'python',
    source: 'import re\nre.match("(a+)+$", "a" * 64 + "b")',
    limits: { cpuMs: 200 },
    expected: { outcome: 'time_limit' },
  },
  {
    name: 'a disk that is filled by many files',
    language: 'python',
    source:
      'import os\nfds = []\ntry:\n  while True:\n    fds.append(os.open(f"/tmp/{len(fds)}", 66)); os.write(fds[-1], b"x" * 1000000)\nexcept OSError as e: print(e.errno)\nraise SystemExit(3)',
    limits: { diskBytes: 8 * MIB },
    expected: { outcome: 'runtime_error', exitCode: 3, stdout: '28\n', counters: { diskFull: true } },
  },
  {
    name: 'a status that is no byte',
    language: 'python',
    source: 'import os\nos._exit(300)',
    expected: { outcome: 'runtime_error', exitCode: 44, signal: null },
  },
  {
    name: 'signals to everything, each in turn',
    language: 'python',
    source:
      'import os, signal\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nfor p in (-1, 1, 0):\n  for s in (1, 2, 15, 19, 20, 9):\n    if p != 0 or s not in (9, 19):\n      try: os.kill(p, s)\n      except OSError: pass\nprint("alive")',
    expected: { outcome: 'ok', stdout: 'alive\n' },
  },
  {
    name: 'a setuid program, a pipe with a name, and the clock',
    language: 'python',
    source: `
import ctypes, errno, os, subprocess, time
libc = ctypes.CDLL(None, use_errno=True)
def name(f):
    try: return f() or "allowed"
    except OSError as e: return errno.errorcode[e.errno]
def call(*a):
    return "allowed" if libc.syscall(*a) >= 0 else errno.errorcode[ctypes.get_errno()]
n = {"x86_64": (103, 248, 175, 246), "aarch64": (116, 217, 105, 104)}[os.uname().machine]
print(name(lambda: os.mkfifo("/tmp/f")), name(lambda: time.clock_settime(time.CLOCK_REALTIME, 0)),
      call(n[0], 3, 0, 0), call(n[1], 0, 0, 0, 0, 0), call(n[2], 0, 0, 0), call(n[3], 0, 0, 0, 0),
      subprocess.run(["su", "-c", "id"], capture_output=True).returncode != 0)`,
    expected: { outcome: 'ok', stdout: 'EPERM EPERM EPERM EPERM EPERM EPERM True\n' },
  },
  {
    name: 'memory that belongs to no process',
    language: 'javascript',
    source: 'const x = []; for (;;) x.push(new Uint8Array(new SharedArrayBuffer(16 * 1048576)).fill(1))',
    limits: { memoryBytes: 128 * MIB },
    expected: { outcome: 'memory_limit' },
  },
  {
    name: 'memory of WebAssembly',
    language: 'javascript',
    source:
      'const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 })\nfor (;;) { m.grow(64); new Uint8Array(m.buffer).fill(1) }',
    limits: { memoryBytes: 128 * MIB },
    expected: { outcome: 'memory_limit' },
  },
  {
    name: 'promises without end',
    language: 'javascript',
    source: 'const again = () => Promise.resolve().then(again)\nagain()\nsetTimeout(() => process.exit(), 0)',
    limits: { cpuMs: 400 },
    expected: { outcome: 'time_limit' },
  },
  {
    name: 'a way out of a context into its own process',
    language: 'javascript',
    source:
      'const vm = require("node:vm")\nconst p = vm.runInNewContext(\'this.constructor.constructor("return process")()\')\nconsole.log(Object.keys(p.env).filter((n) => /LOOPGATE|CEREBRAS/.test(n)).length, require("node:fs").existsSync("/etc/passwd"))',
    expected: { outcome: 'ok', stdout: '0 false\n' },
  },
  {
    name: 'pages that are touched one by one',
    language: 'c',
    source:
      '#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint main(void) { fork(); for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); } }',
    limits: { memoryBytes: 64 * MIB },
    expected: { outcome: 'memory_limit', counters: { oomKills: /^[1-9]/ } },
  },
]

/** Serves small programs until it is stopped. */
function canary(serve: TestSandbox['run']): () => Promise<SandboxResult[]> {
  const over = new AbortController()
  const results: SandboxResult[] = []
  const serving = (async () => {
    do results.push(await serve({ language: 'python', files: [{ path: 'c.py', content: 'print("canary")' }] }))
    while (!over.signal.aborted)
  })()
  return async () => {
    over.abort()
    await serving
    return results
  }
}

for (const { name, language, source, limits = {}, expected } of PROGRAMS) {
  const skip = offered.has(language) ? false : `${language} is not in the tier ${TIER} here`
  t.test(`${name}: contained, others are served, nothing is left`, { skip }, async (t) => {
    const nothingLeft = watchLeftovers()
    const stop = canary(run)
    const files = [{ path: FILES[language] ?? 'a', content: source }]
    const result = await run({ language, files, limits })
    const served = await stop()
    t.match(result, expected)
    t.ok(
      served.every(({ outcome, stdout }) => outcome === 'ok' && stdout === 'canary\n'),
      `${served.length} served`,
    )
    t.same(processesWith(marker), [])
    await nothingLeft()
  })
}
