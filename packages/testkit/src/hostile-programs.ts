import type { ExecutionInput } from '@loopgate/contracts'

/** A program that attacks the machine rather than a limit that it names. */
export type HostileProgram = {
  readonly name: string
  readonly language: 'python' | 'javascript' | 'c'
  readonly source: string
  readonly limits?: ExecutionInput['limits']
  /** What its result has to match. */
  readonly expected: object
  /** What its counters have to match where the system counts processes. */
  readonly counted?: object
}

const MIB = 1024 * 1024
/** In the command line of what a hostile program leaves running: seconds that no `sleep` of another process's has. */
export const SLEEPER_SECONDS = `61234.${String(process.pid).padStart(7, '0')}`
const SLEEPER = `os.execv("/bin/sleep", ["sleep", "${SLEEPER_SECONDS}"])`

/** For the tiers that run processes; each ends by itself or by a limit. */
export const HOSTILE_PROGRAMS: readonly HostileProgram[] = [
  {
    name: 'a fork bomb of bombs',
    language: 'python',
    source: 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
    limits: { processes: 16, cpuMs: 400 },
    expected: { outcome: 'time_limit' },
    counted: { pidsMaxHits: /^[1-9]/ },
  },
  {
    name: 'a crowd of sessions, which the kernel would give a share each',
    language: 'python',
    source: 'import os\nfor _ in range(4):\n  if os.fork() == 0: os.setsid()\nwhile True: pass',
    limits: { cpuMs: 400 },
    expected: { outcome: 'time_limit' },
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
    source: `import os\nif os.fork() == 0:\n  os.setsid(); os.closerange(0, 256)\n  if os.fork() == 0: ${SLEEPER}\n  os._exit(0)\nprint("parent", flush=True)\nos._exit(0)`,
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

/** For isolates: what does not end, even where no code of its own runs. */
export const ISOLATE_SPINS: Readonly<Record<string, string>> = {
  'a loop': 'for (;;);',
  'a loop that catches everything': 'for (;;) { try { throw 1 } catch {} finally { continue } }',
  microtasks: 'const again = () => Promise.resolve().then(again); again()',
  'an asynchronous generator':
    '(async () => { for await (const x of (async function* () { for (;;) yield 1 })()); })()',
  'a regular expression': '/(a*)*b/.test("a".repeat(60))',
  'a sort that never agrees': 'Array.from({ length: 1e7 }, (_, i) => i).sort(() => { for (;;); })',
  'a getter of an error': 'const e = new Error(); Object.defineProperty(e, "stack", { get() { for (;;); } }); throw e',
  'a conversion of what is thrown': 'throw { toString() { for (;;); } }',
  'a handler of stacks': 'Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")',
}

/** For isolates: memory in every shape. */
export const ISOLATE_BOMBS: Readonly<Record<string, string>> = {
  arrays: 'const all = []; for (;;) all.push(new Array(1000).fill(all.length))',
  strings:
    'let s = "x"; const all = []; for (;;) { all.push(s + all.length + "y".repeat(1e5)); all.at(-1).charCodeAt(5) }',
  buffers: 'const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))',
  'shared buffers': 'const all = []; for (;;) all.push(new Uint8Array(new SharedArrayBuffer(1e6)).fill(1))',
  'a buffer that grows':
    'const b = new ArrayBuffer(0, { maxByteLength: 2e9 }); b.resize(2e9); new Uint8Array(b).fill(1)',
  'a map': 'const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })',
  closures: 'let f = () => 0; for (;;) { const g = f; f = () => g }',
  'a spread': 'Math.max(...new Array(5e8))',
  'a fill': 'new Array(5e8).fill(1).map((x) => ({ x }))',
  'a stack': 'const f = () => f(); f()',
  'an answer of the console': 'console.log("x".repeat(2 ** 28))',
}
