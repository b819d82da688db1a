import * as fc from 'fast-check'
import t from 'tap'
import {
  canonicalForm,
  canonicalize,
  createFamilyMaker,
  type FamilyInput,
  familyOf,
  isKey,
  keyOf,
  LEFT_OUT,
  sampleOf,
} from '../src/index.ts'

type KeyInput = FamilyInput & { readonly sampleIndex: number }

/** Key of one sample, of the installation with this secret. */
const keys = (secret: string) => {
  const family = createFamilyMaker(secret)
  return (asked: KeyInput): string => keyOf(family(asked), asked.sampleIndex)
}
const key = keys('secret of the installation')

const input = (request: Record<string, unknown>, rest: Partial<KeyInput> = {}): KeyInput => ({
  scope: 'acme',
  namespace: 0,
  surface: 'chat',
  idempotencyKey: null,
  sampleIndex: 0,
  request,
  ...rest,
})

const request = {
  model: 'gpt-oss-120b',
  messages: [{ role: 'user', content: 'add two numbers' }],
  temperature: 0.8,
  tools: [{ type: 'function', function: { name: 'run', parameters: { type: 'object' } } }],
}

/** A request with the fields of Cerebras and some that nobody has heard of. */
const requestArbitrary = fc
  .record(
    {
      model: fc.string(),
      messages: fc.array(fc.record({ role: fc.constantFrom('user', 'system'), content: fc.string() }), {
        minLength: 1,
        maxLength: 3,
      }),
      temperature: fc.option(fc.double({ min: 0, max: 2, noNaN: true })),
      seed: fc.option(fc.integer()),
      logit_bias: fc.dictionary(fc.string(), fc.integer()),
      tools: fc.jsonValue({ maxDepth: 3 }),
      tool_choice: fc.constantFrom('none', 'auto', 'required'),
      response_format: fc.jsonValue({ maxDepth: 3 }),
      service_tier: fc.constantFrom('flex', 'priority'),
    },
    { requiredKeys: ['model', 'messages'] },
  )
  .chain((known) => fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).map((rest) => ({ ...rest, ...known })))
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)

t.test('changing, adding or removing any one field that may change the answer changes the key', async (t) => {
  fc.assert(
    fc.property(requestArbitrary, fc.string(), fc.jsonValue(), (before, name, value) => {
      const field = name === '__proto__' || LEFT_OUT.has(name) ? 'field_of_tomorrow' : name
      const after = { ...before, [field]: JSON.parse(JSON.stringify(value)) as unknown }
      const same = JSON.stringify(before[field]) === JSON.stringify(after[field])
      if (!same && key(input(before)) === key(input(after))) return false
      return Object.keys(before).every((gone) => {
        if (LEFT_OUT.has(gone)) return true
        const { [gone]: _, ...rest } = before
        return key(input(rest)) !== key(input(before))
      })
    }),
  )
  t.pass()
})

t.test('the order of members never changes the key, at any depth', async (t) => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled)
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([name, member]) => [name, shuffled(member)]),
    )
  }
  fc.assert(
    fc.property(
      requestArbitrary,
      (value) => key(input(value)) === key(input(shuffled(value) as Record<string, unknown>)),
    ),
  )
  t.pass()
})

t.test('a thousand keys of one request are one value', async (t) => {
  t.equal(new Set(Array.from({ length: 1000 }, () => key(input(structuredClone(request))))).size, 1)
})

t.test(
  'tenant, namespace, surface, sample, idempotency key and the secret of the installation each change the key',
  async (t) => {
    const all = [
      key(input(request)),
      key(input(request, { scope: 'globex' })),
      key(input(request, { surface: 'text' })),
      key(input(request, { sampleIndex: 1 })),
      key(input(request, { namespace: 1 })),
      key(input(request, { idempotencyKey: 'a' })),
      key(input(request, { idempotencyKey: 'b' })),
      keys('another secret')(input(request)),
    ]
    t.equal(new Set(all).size, all.length)
    for (const value of all) t.match(value, /^[0-9a-f]{64}$/)
  },
)

t.test('a tenant cannot be named so that it meets the key of another', async (t) => {
  const forged = input(request, { scope: 'acme","surface":"chat","version":1}' })
  t.not(key(forged), key(input(request)))
  t.strictSame(JSON.parse(canonicalForm(forged)).scope, forged.scope)
})

t.test('omitted, null, 0 and 1 are four different requests', async (t) => {
  const { temperature: _, ...omitted } = request
  const variants = [omitted, ...[null, 0, 1].map((temperature) => ({ ...request, temperature }))]
  t.equal(new Set(variants.map((variant) => key(input(variant)))).size, 4)
})

t.test('the published fields, and no others of the schemas, leave the key as it is', async (t) => {
  t.strictSame([...LEFT_OUT.keys()].sort(), ['prompt_cache_key', 'stream', 'stream_options', 'user'])
  for (const name of LEFT_OUT.keys()) t.equal(key(input({ ...request, [name]: 'x' })), key(input(request)), name)
  t.not(key(input({ ...request, service_tier: 'flex' })), key(input(request)), 'service_tier decides how one waits')
})

t.test('a published field below the top level is part of the key', async (t) => {
  const tagged = { ...request, messages: [{ role: 'user', content: 'add two numbers', user: 'x' }] }
  t.not(key(input(tagged)), key(input(request)))
})

t.test('the form that people are shown is JSON with everything the key depends on', async (t) => {
  const form = JSON.parse(canonicalForm(input({ ...request, stream: true }), 7))
  t.strictSame(form, { request, namespace: 0, sample: 7, scope: 'acme', surface: 'chat', version: 2 })
})

t.test('the canonical form is canonical as a whole', async (t) => {
  const form = canonicalForm(input(request, { idempotencyKey: 'a' }), 3)
  t.equal(form, canonicalize(JSON.parse(form)))
})

t.test('the samples of one request are one family, and a key tells which sample it means', async (t) => {
  const samples = [0, 1, 255, 999_999_999].map((sampleIndex) => key(input(request, { sampleIndex })))
  t.equal(new Set(samples.map(familyOf)).size, 1)
  t.strictSame(samples.map(sampleOf), [0, 1, 255, 999_999_999])
  for (const value of samples) t.equal(keyOf(familyOf(value), sampleOf(value)), value)
  t.not(familyOf(key(input({ ...request, seed: 1 }))), familyOf(samples[0] ?? ''))
})

t.test('only 64 lower-case hex digits are a key', async (t) => {
  t.ok(isKey('0a'.repeat(32)))
  for (const text of ['0A'.repeat(32), '0a'.repeat(31), `${'0a'.repeat(32)}\n`, '']) t.notOk(isKey(text), text)
})
