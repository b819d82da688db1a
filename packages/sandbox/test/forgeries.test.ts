import type { ExecutionInput } from '@loopgate/contracts'
import { humanEvalJs, humanEvalPython, multiplEJs } from '@loopgate/problems'
import t from 'tap'
import { inParallel, noJavascript, noPython, sandboxFor } from './support/sandbox.ts'

// Each of these "passes" nearly every problem where tests share a process with the candidate, or where
// the exit status is the verdict. SANDBOX_ALL=1 runs them over every problem instead of one in ten.
const STEP = process.env['SANDBOX_ALL'] === '1' ? 1 : 10
const { run } = await sandboxFor(t)

type Forged = { readonly name: string; readonly request: ExecutionInput }

const everyNth = <T>(items: readonly T[]): readonly T[] => items.filter((_, i) => i % STEP === 0)

function python(body: (problem: ReturnType<typeof humanEvalPython>[number]) => string): Forged[] {
  return everyNth(humanEvalPython()).map((problem) => ({
    name: problem.taskId,
    request: {
      language: 'python',
      files: [{ path: 'solution.py', content: body(problem) }],
      checks: [{ id: 'c', entryPoint: problem.entryPoint, source: problem.test, prelude: problem.prompt }],
    },
  }))
}

function multiplE(content: (prompt: string, name: string) => string): Forged[] {
  // Without a reference completion it is not known that the test itself is sound: some do not parse.
  const sound = multiplEJs().filter((problem) => problem.referenceCompletion !== null)
  return everyNth(sound).map((problem) => {
    // The entry point is the function that the prompt leaves open.
    const entryPoint = /function (\w+)\([^)]*\)\s*\{\s*$/.exec(problem.prompt)?.[1] ?? 'missing'
    return {
      name: problem.name,
      request: {
        language: 'javascript',
        files: [{ path: 'solution.js', content: content(problem.prompt, entryPoint) }],
        checks: [{ id: 'c', entryPoint, source: problem.tests }],
      },
    }
  })
}

function humanEvalX(body: string): Forged[] {
  return everyNth(humanEvalJs()).map((problem) => {
    // Helpers stand before the function that is left open.
    const entryPoint = [...problem.declaration.matchAll(/const (\w+) =/g)].at(-1)?.[1] ?? 'missing'
    const prelude = problem.declaration.slice(0, problem.declaration.indexOf(`const ${entryPoint} =`))
    return {
      name: problem.taskId,
      request: {
        language: 'javascript',
        files: [{ path: 'solution.js', content: `${problem.declaration}${body}` }],
        checks: [{ id: 'c', entryPoint, source: problem.test, prelude }],
      },
    }
  })
}

const FORGERIES: Record<string, Forged[]> = {
  'Python: os._exit(0)': python(({ prompt }) => `${prompt}    import os\n    os._exit(0)\n`),
  'Python: sys.exit(0)': python(({ prompt }) => `${prompt}    import sys\n    sys.exit(0)\n`),
  'Python: an object equal to everything': python(
    ({ prompt }) => `
class All(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __abs__(self): return self
    def __sub__(self, other): return self
    __rsub__ = __sub__
    def __getitem__(self, key): return self
    def __iter__(self): return iter([self])
    def __len__(self): return 1
${prompt}    return All(7777777)
`,
  ),
  'JavaScript: process.exit(0)': multiplE((prompt) => `${prompt}  process.exit(0)\n}\n`),
  'JavaScript: assert.deepEqual overwritten': multiplE(
    (prompt) => `const assert = require('node:assert')
for (const name of Object.keys(assert)) if (typeof assert[name] === 'function') assert[name] = () => {}
require('node:module').prototype.require = () => assert
${prompt}  return 7777777
}
`,
  ),
  'JavaScript: undefined under console.assert': humanEvalX('  return undefined\n}\n'),
}

for (const [name, forged] of Object.entries(FORGERIES)) {
  const skip = name.startsWith('JavaScript') ? noJavascript : noPython
  t.test(`passes no problem: ${name}`, { skip }, async (t) => {
    await inParallel(forged, 4, async ({ name, request }) => {
      const { checks, outcome } = await run(request)
      const [check] = checks
      t.equal(check?.verdict, 'fail', `${name} (${outcome}): ${check?.evidence.slice(0, 200) ?? 'no result'}`)
    })
  })
}

const REFERENCE = 'assert f(2) == 4\nassert f(3) == 9\n'
async function verdictOf(content: string, source = REFERENCE, language: 'python' | 'javascript' = 'python') {
  const path = language === 'python' ? 's.py' : 's.js'
  const checks = [{ id: 'c', entryPoint: 'f', source }]
  const { checks: results } = await run({
    language,
    files: [{ path, content }],
    checks,
    limits: { cpuMs: 2000, wallMs: 3000 },
  })
  return results[0]
}

t.test('the reference of the tricks below passes, so they fail for what they do', { skip: noPython }, async (t) => {
  t.match(await verdictOf('def f(x):\n  return x * x'), { verdict: 'pass' })
})

t.test('a candidate cannot forge a verdict by what it writes, wherever it writes it', { skip: noPython }, async (t) => {
  const report =
    '{"nonce":"00000000000000000000000000000000","candidateSha256":"0","checkId":"c","verdict":"pass","evidence":"","calls":2,"answered":2}'
  const tricks: Record<string, string> = {
    'prints records, TAP and test reports': `print('''${report}\nok 1\n1 passed, 0 failed''')\ndef f(x):\n  print('''${report}''')\n  return 0`,
    'writes a record to every descriptor while it is loaded': `
import os
for fd in range(256):
    try: os.write(fd, b'''${report}\\n''')
    except OSError: pass
def f(x):
    return 0`,
    'writes a record to every descriptor during a call': `
def f(x):
    import os
    for fd in range(256):
        try: os.write(fd, b'''${report}\\n''')
        except OSError: pass
    return 0`,
    'answers in advance the calls that will come': `
import os, struct
def answer(n, text):
    payload = struct.pack(">I", n) + text
    return b"A" + struct.pack(">I", len(payload)) + payload
def f(x):
    os.write(3, answer(1, b"4") + answer(2, b"9"))
    return 0`,
    'declares itself ready with a frame of its own and answers a call it has not had': `
import os, struct
os.write(3, b"R" + struct.pack(">I", 1) + b"1" + b"A" + struct.pack(">I", 5) + struct.pack(">I", 1) + b"4")
def f(x):
    return 0`,
    'announces a frame of 4 GiB': 'import os\ndef f(x):\n  os.write(3, b"A\\xff\\xff\\xff\\xff")\n  return 0',
    'patches the built-ins that an assertion might use': `
import builtins
builtins.AssertionError = Exception
builtins.isinstance = lambda *a: True
builtins.len = lambda x: 4
def f(x):
    return 0`,
    'kills its parent': 'import os, signal\ndef f(x):\n  os.kill(os.getppid(), signal.SIGKILL)\n  return 0',
    'forks and lets the child answer while it exits': 'import os\ndef f(x):\n  if os.fork(): os._exit(0)\n  return 0',
    'closes every descriptor': 'import os\ndef f(x):\n  os.closerange(0, 256)\n  return 0',
    'raises an exception that equals everything': `
class E(Exception):
    def __eq__(self, other): return True
def f(x):
    raise E()`,
    'walks the frames of its caller': `
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for name, value in frame.f_locals.items():
            if isinstance(value, dict): value["verdict"] = "pass"
        frame = frame.f_back
    return 0`,
  }
  for (const [what, content] of Object.entries(tricks)) {
    const check = await verdictOf(content)
    t.equal(check?.verdict, 'fail', `${what}: ${check?.evidence.slice(0, 200) ?? 'no result'}`)
  }
})

t.test('data that is malformed on purpose is a fail, and the checker survives it', { skip: noPython }, async (t) => {
  const payloads = [
    '[',
    '["l"',
    '{}',
    '["x"]',
    '[]',
    '["d",1]',
    '["s",["l"]]',
    '["i","zz"]',
    '["f","1"]',
    'NaN',
    '1 1',
    '"\\ud8',
    `${'["l",'.repeat(500)}1${']'.repeat(500)}`,
    '['.repeat(100_000),
  ]
  for (const payload of payloads) {
    const content = `
import os, struct
def f(x):
    text = ${JSON.stringify(payload)}.encode()
    payload = struct.pack(">I", 1) + text
    frame = b"A" + struct.pack(">I", len(payload)) + payload
    while frame:
        frame = frame[os.write(3, frame):]
    import time
    time.sleep(60)`
    t.match(await verdictOf(content), { verdict: 'fail', evidence: /not plain data/ }, payload.slice(0, 20))
  }
})

t.test(
  'the check program and the expected values are nowhere in the sandbox of the candidate',
  { skip: noPython },
  async (t) => {
    const candidate = `
import os
def f(x):
    seen = b""
    for root, _, names in os.walk("/tmp"):
        for name in names:
            seen += open(os.path.join(root, name), "rb").read()
    for pid in [n for n in os.listdir("/proc") if n.isdigit()]:
        for file in ("cmdline", "environ"):
            try: seen += open("/proc/%s/%s" % (pid, file), "rb").read()
            except OSError: pass
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            if "r" in mode and "[v" not in line:
                start, end = (int(part, 16) for part in span.split("-"))
                try:
                    memory.seek(start)
                    seen += memory.read(min(end - start, 64 << 20))
                except (OSError, ValueError, OverflowError): pass
    return any("-".join([word, "CANARY"]).encode() in seen for word in ("ANSWER", "SOURCE"))`
    const check = 'marker = "SOURCE-CANARY"\nassert f(1) == (False if "ANSWER-CANARY" else 0), "found"'
    t.match(await verdictOf(candidate, check), { verdict: 'pass', evidence: '' })
  },
)
