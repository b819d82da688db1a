import * as fc from 'fast-check'
import { canonicalize as oracle } from 'json-canonicalize'
import t from 'tap'
import { CanonicalError, canonicalize, MAX_DEPTH } from '../src/index.ts'

/** JSON as a parser gives it; `toJSON` is the one member name that the oracle gets wrong. */
const json = fc
  .jsonValue({ stringUnit: 'binary', maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll('toJSON', 'other')) as unknown)

t.test('canonical JSON equals that of an independent implementation of RFC 8785', async (t) => {
  fc.assert(fc.property(json, (value) => canonicalize(value) === oracle(value)))
  t.pass()
})

t.test('canonical JSON parses back to the value', async (t) => {
  fc.assert(
    fc.property(json, (value) => {
      t.strictSame(JSON.parse(canonicalize(value)), value)
    }),
    { numRuns: 50 },
  )
})

t.test('an object with a member named toJSON is sorted like any other', async (t) => {
  t.equal(canonicalize(JSON.parse('{"toJSON":1,"b":2,"a":3}')), '{"a":3,"b":2,"toJSON":1}')
})

t.test('a member named __proto__ is kept and is not the prototype', async (t) => {
  t.equal(canonicalize(JSON.parse('{"z":1,"__proto__":{"a":1}}')), '{"__proto__":{"a":1},"z":1}')
})

t.test('the example of RFC 8785 section 3.2.2 comes out as printed there', async (t) => {
  const value = JSON.parse(
    String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
      "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
  )
  t.equal(
    canonicalize(value),
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  )
})

const refused: ReadonlyArray<readonly [what: string, value: unknown, path: string, text: RegExp]> = [
  ['a lone surrogate in a text', { messages: [{ content: 'a\ud800b' }] }, 'messages.0.content', /lone surrogate/],
  ['a lone surrogate in a member name', { metadata: { '\udc00': 1 } }, 'metadata.\udc00', /lone surrogate/],
  ['a number beyond a double', JSON.parse('{"seed":1e999}'), 'seed', /too large/],
  ['a value that JSON does not know', { seed: 1n }, 'seed', /not a JSON value/],
]
for (const [what, value, path, text] of refused) {
  t.test(`${what} is refused, and the error names its place`, async (t) => {
    try {
      canonicalize(value)
      t.fail('was accepted')
    } catch (error) {
      t.type(error, CanonicalError)
      t.equal((error as CanonicalError).path, path)
      t.match((error as CanonicalError).message, text)
    }
  })
}

t.test('nesting is accepted up to the bound and refused beyond it, whatever the depth', async (t) => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1
    for (let level = 0; level < levels; level++) value = [value]
    return value
  }
  t.type(canonicalize(nested(MAX_DEPTH)), 'string')
  t.throws(() => canonicalize(nested(MAX_DEPTH + 1)), /nested deeper/)
  t.throws(() => canonicalize(nested(100_000)), /nested deeper/)
})
