import * as fc from 'fast-check'
import t from 'tap'
import { explainBadJson } from '../../src/http/bad-json.ts'

const explain = (text: string) => explainBadJson(Buffer.from(text))

t.test('each flaw is told in the words of the real parser, with line and column', async (t) => {
  for (const [text, expected] of [
    ['', 'EOF while parsing a value at line 1 column 0'],
    ['nul', 'EOF while parsing a value at line 1 column 3'],
    ['nule', 'expected ident at line 1 column 4'],
    ['{a: 1}', 'key must be a string at line 1 column 2'],
    ['{"a" 1}', 'expected `:` at line 1 column 6'],
    ['{"a": 1 "b"}', 'expected `,` or `}` at line 1 column 9'],
    ['{"a": 1,}', 'trailing comma at line 1 column 9'],
    ['{"a": 1', 'EOF while parsing an object at line 1 column 7'],
    ['[1, 2', 'EOF while parsing a list at line 1 column 5'],
    ['[1 2]', 'expected `,` or `]` at line 1 column 4'],
    ['{"a":\n  x}', 'expected value at line 2 column 3'],
    ['"abc', 'EOF while parsing a string at line 1 column 4'],
    ['"a\\x"', 'invalid escape at line 1 column 4'],
    ['"a\nb"', 'control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3'],
    ['"\\udc00"', 'lone leading surrogate in hex escape at line 1 column 7'],
    ['"\\ud800\\u0041"', 'lone leading surrogate in hex escape at line 1 column 13'],
    ['"\\ud800"', 'unexpected end of hex escape at line 1 column 8'],
    ['"\\u12g4"', 'invalid escape at line 1 column 6'],
    ['1 2', 'trailing characters at line 1 column 3'],
    ['-', 'invalid number at line 1 column 1'],
    ['01', 'invalid number at line 1 column 2'],
    ['é"', 'expected value at line 1 column 1'],
    ['['.repeat(300), 'recursion limit exceeded at line 1 column 202'],
  ] as const) {
    t.equal(explain(text), expected, JSON.stringify(text.slice(0, 20)))
  }
})

t.test('what it finds no flaw in is what JSON.parse takes, for any text', async (t) => {
  const parses = (text: string) => {
    try {
      JSON.parse(text)
      return true
    } catch {
      return false
    }
  }
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    'a',
    '\\n',
    '\\u0041',
    '1',
    '-',
    '.5',
    'e3',
    ' ',
    '\n',
    'true',
    'null',
  )
  const near = fc.array(pieces, { maxLength: 12 }).map((list) => list.join(''))
  fc.assert(
    fc.property(fc.oneof(near, fc.json({ maxDepth: 4 })), (text) => (explain(text) === undefined) === parses(text)),
    { numRuns: 3000 },
  )
  t.pass('no counterexample')
})
