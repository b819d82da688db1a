import { createHash } from 'node:crypto'
import { recordedSamples } from '@loopgate/problems'
import t from 'tap'
import { extractCandidate } from '../src/index.ts'
import { loopRequest } from './world.ts'

const SCAFFOLD = 'import math\n\ndef helper(x):\n    return x\n\ndef add(a, b):\n    """Adds."""\n'
const BEFORE = 'import math\n\ndef helper(x):\n    return x\n\n'
const python = { ...loopRequest(), scaffold: SCAFFOLD }
const javascript = { ...loopRequest({ language: 'javascript' }), scaffold: 'const add = (a, b) => {\n' }
const code = (request: typeof python, text: string, finish: string | null = 'stop'): string =>
  extractCandidate(request, text, finish).code

t.test('an answer without a fence continues the scaffold letter by letter', async (t) => {
  t.equal(code(python, '    return a + b\n'), `${SCAFFOLD}    return a + b\n`)
  t.equal(code(python, ''), SCAFFOLD)
  t.equal(code(python, '    return "``" + `x`\n'), `${SCAFFOLD}    return "\`\`" + \`x\`\n`)
})

t.test('every recorded sample is scaffold and answer as they are, and its hash is theirs', async (t) => {
  let samples = 0
  for (const { prompt, samples: answers } of recordedSamples()) {
    for (const answer of answers) {
      const { code, sha256, refusal } = extractCandidate({ ...python, scaffold: prompt }, answer, 'stop')
      const expected = createHash('sha256').update(`${prompt}${answer}`).digest('hex')
      if (code !== prompt + answer || sha256 !== expected || refusal !== null) t.fail(`another candidate: ${answer}`)
      samples += 1
    }
  }
  t.equal(samples, 16_400)
})

t.test('a Python block that defines the entry point stands behind what the scaffold has before it', async (t) => {
  const block = 'def add(a, b):\n    return a + b\n'
  t.equal(code(python, `Here it is:\n\n\`\`\`python\n${block}\`\`\`\nDone.`), BEFORE + block)
  const open = { ...python, scaffold: 'def add(a, b):' }
  t.equal(code(open, `\`\`\`py\n${block}\`\`\``), block, 'a signature without a body is left out')
  t.equal(code({ ...python, scaffold: 'import math' }, `\`\`\`\n${block}\`\`\``), `import math\n${block}`)
})

t.test('a block that does not define the entry point continues the scaffold', async (t) => {
  t.equal(code(python, '```python\n    return a + b\n```'), `${SCAFFOLD}    return a + b\n`)
  t.equal(code(python, '```python\n    return add_all(a, b)\n```'), `${SCAFFOLD}    return add_all(a, b)\n`)
  t.equal(code(javascript, '```js\n  return a + b\n}\n```'), 'const add = (a, b) => {\n  return a + b\n}\n')
})

t.test('a JavaScript block that defines the entry point stands alone', async (t) => {
  for (const block of [
    'function add(a, b) { return a + b }\n',
    'const add = (a, b) => a + b\n',
    'exports.add = (a, b) => a + b\n',
    'async function add(a, b) { return a + b }\n',
  ]) {
    t.equal(code(javascript, `\`\`\`javascript\n${block}\`\`\``), block)
  }
})

t.test('names that only contain the entry point, and calls of it, define nothing', async (t) => {
  for (const block of ['def add_all(a): pass\n', 'add(1, 2)\n', 'x = add == 3\n', '    def add(self): pass\n']) {
    t.equal(code(python, `\`\`\`python\n${block}\`\`\``), SCAFFOLD + block)
  }
  for (const block of ['function addAll() {}\n', 'add(1, 2)\n', 'add == 3\n', 'const add$ = 1\n']) {
    t.equal(code(javascript, `\`\`\`js\n${block}\`\`\``), javascript.scaffold + block)
  }
})

t.test(
  'of several blocks the first of the language counts, else the first without a tag, else the first',
  async (t) => {
    const block = (tag: string, name: string): string => `\`\`\`${tag}\ndef add(): ${name}\n\`\`\`\n`
    t.match(code(python, block('bash', 'sh') + block('', 'bare') + block('python', 'one') + block('py', 'two')), /one/)
    t.match(code(python, block('bash', 'sh') + block('', 'bare')), /bare/)
    t.match(code(python, block('bash', 'sh') + block('text', 'txt')), /sh/)
  },
)

t.test('a fence is closed only by its like', async (t) => {
  const inner = 'def add():\n    """\n    ```\n    x\n    ```\n    """\n'
  t.equal(code({ ...python, scaffold: '' }, `\`\`\`\`python\n${inner}\`\`\`\`\n`), inner)
  t.equal(code({ ...python, scaffold: '' }, '~~~python\ndef add(): 1\n```\n~~~\n'), 'def add(): 1\n```\n')
})

t.test('an answer cut at the token limit is refused only inside an open fence', async (t) => {
  const refusal = (text: string, finish: string): string | null => extractCandidate(python, text, finish).refusal
  t.match(refusal('```python\ndef add(a, b):\n    retu', 'length'), /cut/)
  t.equal(refusal('    return a + b\n\ndef unfinis', 'length'), null, 'what was cut may be chatter')
  t.equal(refusal('```python\ndef add(a, b): pass\n```\nAs you', 'length'), null)
  t.equal(refusal('```python\ndef add(a, b): pass\n', 'stop'), null, 'models leave out the last fence')
})
