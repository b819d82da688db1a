import t from 'tap'
import { array, bigInt, constantFrom, double, letrec, oneof, sample, string as fcString, tuple } from 'fast-check'
import { candidateSha256 } from '@loopgate/sandbox'
import { judging } from './support/judge.ts'
import { sandboxFor } from './support/sandbox.ts'

const { run } = await sandboxFor(t)

const judge = judging(run, 'python', 'solution.py')
const ECHO = 'def f(x):\n  return x'

t.test('a check program passes a right candidate and says what a wrong one did', async (t) => {
  const source = 'def check(candidate):\n  assert candidate(2, 3) == 5\n  assert candidate(a=1, b=1) == 2, "small"'
  const right = await judge('def f(a, b):\n  return a + b', source)
  t.match(right, { verdict: 'pass', evidence: '', calls: 2, answered: 2, outcome: 'ok' })
  t.equal(
    right.candidateSha256,
    candidateSha256([{ path: 'x', content: 'def f(a, b):\n  return a + b', encoding: 'utf-8' }]),
  )
  const wrong = await judge('def f(a, b):\n  return 5', source)
  t.match(wrong, { verdict: 'fail', calls: 2, answered: 2, outcome: 'ok' })
  t.match(
    wrong.evidence,
    /AssertionError: small[\s\S]*line 3: assert candidate\(a=1, b=1\)[\s\S]*f\(a=1, b=1\) returned 5/,
  )
})

t.test('a check may assert at top level, by the name of the entry point or as `candidate`', async (t) => {
  t.match(await judge(ECHO, 'assert f(1) == 1\nassert candidate(2) == 2'), { verdict: 'pass', calls: 2 })
  t.match(await judge(ECHO, 'assert f("") is None'), { verdict: 'fail', evidence: /last call: f\(''\) returned ''$/ })
})

t.test('plain data crosses with its types, both ways', async (t) => {
  const values = [
    'None, True, False, 0, -1, 2**53, 2**63, -2**64',
    '0.1, -0.0, 1e308, 5e-324, float("inf"), -float("inf"), 1j, complex(-0.0, 2)',
    '"", "é", "\\ud800", "\\0", "😀" * 3, b"", b"\\x00\\xff"',
    '[], (), {}, set(), frozenset(), [1, [2.0, (3, None)]], {1, 2}, frozenset([(1, "a")])',
    '{1: "a", "1": 2, (1, 2): [3], None: {}, True: False, 1.5: {"k": {"l": [()]}}}',
  ]
  const source = `
for value in (${values.join(', ')}):
    answer = f(value)
    assert type(answer) is type(value) and repr(answer) == repr(value), value
nan = f(float("nan"))
assert type(nan) is float and nan != nan
assert f(-10**5000) == -10**5000
`
  const result = await judge(ECHO, source)
  t.match(result, { verdict: 'pass', evidence: '' })
})

const literal = letrec((tie) => ({
  value: oneof(
    { maxDepth: 4 },
    constantFrom('None', 'True', 'False', 'float("inf")'),
    bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map(String),
    double({ noNaN: true, noDefaultInfinity: true }).map((x) => `float("${Object.is(x, -0) ? '-0.0' : x}")`),
    fcString({ unit: 'binary', maxLength: 10 }).map((text) =>
      JSON.stringify(text).replaceAll(/[^\x20-\x7e]/gu, escapePoint),
    ),
    array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
    array(tie('value'), { maxLength: 4 }).map((items) => `(${items.map((item) => `${String(item)},`).join(' ')})`),
    array(tuple(fcString({ unit: 'grapheme-ascii', maxLength: 4 }), tie('value')), { maxLength: 4 }).map(
      (pairs) => `{${pairs.map(([key, value]) => `${JSON.stringify(key)}: ${String(value)}`).join(', ')}}`,
    ),
  ),
}))
const escapePoint = (text: string) => `\\U${(text.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`

t.test('any value made of plain data comes back as it went', async (t) => {
  const values = sample(literal.value, 300).map(String)
  const source = `for value in (${values.join(',\n')}):\n  answer = f(value)\n  assert type(answer) is type(value) and repr(answer) == repr(value), value`
  t.match(await judge(ECHO, source), { verdict: 'pass', calls: 300, answered: 300, evidence: '' })
})

t.test('subclasses arrive as the data of their base, whatever they override', async (t) => {
  const candidate = `
import collections, enum
class Int(int):
    def __eq__(self, other): return True
    def __int__(self): return 7
    __hash__ = int.__hash__
class Text(str):
    def __eq__(self, other): return True
    def __str__(self): return "other"
    __hash__ = str.__hash__
class Items(list):
    def __iter__(self): return iter([9])
    def __eq__(self, other): return True
class Color(enum.IntEnum):
    RED = 1
Point = collections.namedtuple("Point", "x y")
def f(which):
    return {"int": Int(3), "str": Text("a"), "list": Items([1]), "enum": Color.RED, "tuple": Point(1, 2),
            "counter": collections.Counter("aab"), "default": collections.defaultdict(list, {1: [2]}),
            "ordered": collections.OrderedDict(b=1)}[which]
`
  const source = `
expected = {"int": 3, "str": "a", "list": [1], "enum": 1, "tuple": (1, 2), "counter": {"a": 2, "b": 1}, "default": {1: [2]}, "ordered": {"b": 1}}
for which, value in expected.items():
    answer = f(which)
    assert type(answer) is type(value) and repr(answer) == repr(value), which
`
  t.match(await judge(candidate, source), { verdict: 'pass', evidence: '' })
})

t.test('what is no plain data is a fail that says so', async (t) => {
  const values = {
    'a generator': '(i for i in [1])',
    'an object that equals everything': 'type("All", (), {"__eq__": lambda s, o: True})()',
    'an object that pretends to be a list': 'type("Fake", (), {"__class__": list})()',
    'a lambda': 'lambda: 1',
    'a coroutine': '__import__("asyncio").sleep(0)',
    'a value nested too deep': '__import__("functools").reduce(lambda a, _: [a], range(200), 1)',
    'a list that holds itself': '(lambda l: (l.append(l), l)[1])([])',
    'a value too large': '"x" * (5 << 20)',
    'too many items': 'list(range(2_000_000))',
    'a module': '__import__("os")',
    'a range': 'range(3)',
  }
  const source = 'try:\n  assert f(0) is not None\nexcept Exception:\n  pass'
  for (const [what, expression] of Object.entries(values)) {
    const result = await judge(`def f(x):\n  return ${expression}`, source)
    t.match(
      result,
      { verdict: 'fail', evidence: /returned a value that is not plain data/, calls: 1, answered: 0 },
      what,
    )
  }
})

t.test('an exception of the candidate is raised in the check as the nearest built-in one', async (t) => {
  const candidate = `
class Mine(ValueError):
    pass
class Odd(Exception):
    pass
def f(which):
    if which == "builtin": raise KeyError("k")
    if which == "derived": raise Mine("bad value")
    if which == "own": raise Odd("o")
    if which == "base": raise KeyboardInterrupt("k")
    if which == "unicode": return b"\\xff".decode()
    raise type("Hostile", (Exception,), {"__str__": lambda self: 1 / 0})()
`
  const source = `
def raised(which):
    try:
        f(which)
    except Exception as error:
        return type(error).__name__, str(error)
assert raised("builtin")[0] == "KeyError"
assert raised("derived") == ("ValueError", "bad value"), raised("derived")
assert raised("own") == ("CandidateError", "Odd: o"), raised("own")
assert raised("base")[0] == "CandidateError"
assert raised("unicode")[0] == "UnicodeDecodeError"
assert raised("hostile") == ("CandidateError", "Hostile: "), raised("hostile")
`
  t.match(await judge(candidate, source), { verdict: 'pass', evidence: '' })
  const uncaught = await judge('def f(x):\n  return 1 / x', 'assert f(0) == 1')
  t.match(uncaught, {
    verdict: 'fail',
    evidence: /ZeroDivisionError: division by zero[\s\S]*f\(0\) raised ZeroDivisionError/,
  })
})

t.test('a prelude gives the check its helpers, and its own entry point never answers for the candidate', async (t) => {
  const prelude = `
import math
from typing import List
def helper(xs: List[float]) -> float:
    return math.fsum(xs)
def f(x):
    """A stub, as the prompt of a problem has it."""
    return x * 2
`
  t.match(await judge('def f(x):\n  return x * 2', 'assert f(2) == helper([2, 2])', { prelude }), {
    verdict: 'pass',
    calls: 1,
  })
  t.match(await judge('def f(x):\n  return 0', 'assert f(2) == helper([2, 2])', { prelude }), { verdict: 'fail' })
  const dynamic = { prelude: 'import math\nbase = 2\n' }
  t.match(await judge(ECHO, 'assert f(2) == globals()["base"]', dynamic), { verdict: 'pass' })
})

t.test('a candidate that fails before it can be called fails the check', async (t) => {
  const source = 'assert f(1) == 1'
  t.match(await judge('def f(:', source), {
    verdict: 'fail',
    outcome: 'compile_error',
    evidence: /does not compile: SyntaxError/,
    calls: 0,
  })
  t.match(await judge('import nothing_of_this_name', source), {
    verdict: 'fail',
    outcome: 'runtime_error',
    evidence: /ModuleNotFoundError/,
  })
  t.match(await judge('def g(x):\n  return 1', source), {
    verdict: 'fail',
    outcome: 'ok',
    evidence: /defines no function f/,
  })
  t.match(await judge('f = 3', source), { verdict: 'fail', evidence: /defines no function f/ })
  t.match(await judge('import sys\nsys.exit(0)', source), {
    verdict: 'fail',
    outcome: 'runtime_error',
    evidence: /status 0/,
  })
})

t.test('a hang, a memory bomb and a flood inside a call fail the check with the limit as evidence', async (t) => {
  const source = 'assert f(1) == 1'
  const limits = { cpuMs: 400, memoryBytes: 128 * 1024 * 1024, outputBytes: 4096 }
  const spin = await judge('def f(x):\n  while True: pass', source, { limits })
  t.match(spin, { verdict: 'fail', outcome: 'time_limit', evidence: /CPU limit of 400 ms/, calls: 1, answered: 0 })
  const flood = await judge('def f(x):\n  while True: print(x)', source, { limits })
  t.match(flood, { verdict: 'fail', outcome: 'output_limit', evidence: /printed more than 4096 bytes/ })
  const bomb = await judge('def f(x):\n  return len(bytearray(1 << 30))', source, { limits })
  t.match(bomb, { verdict: 'fail', outcome: 'ok', evidence: /MemoryError/ }, 'an allocation that fails is an exception')
})

t.test('a check program that is broken is an error, never a fail', async (t) => {
  const right = ECHO
  const broken = {
    'does not parse': 'def check(:',
    'raises before it has an answer': 'import nothing_of_this_name\nassert f(1) == 1',
    'never calls': 'assert True',
    exits: 'f(1)\nimport sys\nsys.exit(0)',
    'exits hard': 'f(1)\nimport os\nos._exit(0)',
    'passes a function': 'f(lambda: 1)',
    'hangs before the first call': 'while True: pass',
    'closes its descriptors': 'f(1)\nimport os\nos.closerange(3, 10)',
  }
  for (const [what, source] of Object.entries(broken)) {
    t.match(await judge(right, source, { limits: { cpuMs: 500 } }), { verdict: 'error', outcome: 'ok' }, what)
  }
})

t.test('a check program that hangs on the answers of the candidate fails it', async (t) => {
  const source = 'while f(0) == 1: pass\nx = f(1)\nwhile x: pass'
  t.match(await judge('def f(x):\n  return x', source, { limits: { cpuMs: 300 } }), {
    verdict: 'fail',
    evidence: /check program ran into time_limit/,
  })
})

t.test('what the candidate prints is evidence and comes back even though it never exits', async (t) => {
  const result = await judge('print("loading")\ndef f(x):\n  print("called", x)\n  return x', 'assert f(7) == 7')
  t.match(result, { verdict: 'pass', stdout: 'loading\ncalled 7\n' })
})

t.test('several checks are judged in order, and each has its own sandbox', async (t) => {
  const result = await run({
    language: 'python',
    files: [
      {
        path: 's.py',
        content: 'def f(x):\n  if x == 3:\n    import os\n    os._exit(1)\n  return x\ndef g(x):\n  return -x',
      },
    ],
    checks: [
      { id: 'one', entryPoint: 'f', source: 'open("/tmp/left", "w").close()\nassert f(1) == 1' },
      { id: 'two', entryPoint: 'g', source: 'import os\nassert not os.path.exists("/tmp/left")\nassert g(1) == -1' },
      { id: 'three', entryPoint: 'f', source: 'assert f(3) == 3' },
      { id: 'four', entryPoint: 'f', source: 'assert f(1) == 1' },
    ],
  })
  t.same(
    result.checks.map(({ checkId, verdict }) => [checkId, verdict]),
    [
      ['one', 'pass'],
      ['two', 'pass'],
      ['three', 'fail'],
      ['four', 'fail'],
    ],
  )
  t.equal(result.outcome, 'runtime_error')
})

t.test(
  'a candidate that owes its answer when the time is over has failed, whichever process is stopped first',
  async (t) => {
    // Both processes have the same end; one that is making a large value is the slower to be stopped.
    const late = await judge('def f(x):\n  return [0] * 10 ** 7', 'candidate(1)', { limits: { wallMs: 1000 } })
    t.match(late, { verdict: 'fail', calls: 1, answered: 0 })
    t.match(late.evidence, /wall limit of 1000 ms|plain data/)
  },
)
