import * as fc from 'fast-check'
import t from 'tap'
import { createCaps } from '../../src/schedule/caps/caps.ts'
import { boundOf, choicesOf, clamp } from '../../src/schedule/caps/output.ts'
import { Sketch } from '../../src/schedule/caps/sketch.ts'

const origin = { tenant: 'acme', flow: 'loop-1', key: 'key-1', model: 'gpt-oss-120b' }

t.test('a quantile of the sketch is never too low, and at most a tenth and one too high', (t) => {
  const lengths = fc.array(fc.integer({ min: 1, max: 131_072 }), { minLength: 1, maxLength: 1000 })
  const property = fc.property(lengths, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, part) => {
    const sketch = new Sketch()
    for (const length of all) sketch.add(length)
    const exact = all.sort((a, b) => a - b)[Math.max(0, Math.ceil(all.length * part - 1e-6) - 1)] as number
    const found = sketch.quantile(part)
    return found >= exact && found <= exact * 1.1 + 1
  })
  fc.assert(property, { numRuns: 300 })
  t.end()
})

t.test('too few answers give no cap', (t) => {
  const caps = createCaps()
  for (let n = 0; n < 29; n++) caps.learn(origin, 200)
  t.equal(caps.cap(origin), null)
  caps.learn(origin, 200)
  const cap = caps.cap(origin)
  t.ok(cap !== null && cap >= 200 && cap <= 300, `${cap}`)
  t.end()
})

t.test('a loop that is new begins with what its key has learnt; another tenant and model do not', (t) => {
  const caps = createCaps()
  for (let n = 0; n < 100; n++) caps.learn(origin, 1000)
  t.ok((caps.cap({ ...origin, flow: 'loop-2' }) ?? 0) >= 1000)
  t.equal(caps.cap({ ...origin, flow: 'loop-2', key: 'key-2' }), null)
  t.equal(caps.cap({ ...origin, tenant: 'globex' }), null)
  t.equal(caps.cap({ ...origin, model: 'other' }), null)
  t.end()
})

t.test('a loop whose answers become longer gets a cap that fits them', (t) => {
  const caps = createCaps()
  for (let n = 0; n < 500; n++) caps.learn(origin, 100)
  for (let n = 0; n < 20; n++) caps.learn(origin, 5000)
  t.ok((caps.cap(origin) ?? 0) >= 5000)
  for (let n = 0; n < 4000; n++) caps.learn(origin, 100)
  t.ok((caps.cap(origin) ?? 0) < 1000, 'and it forgets')
  t.end()
})

t.test('the bound of a caller is found in either field, and a clamp replaces only it', (t) => {
  t.same(boundOf('chat', { max_tokens: 50 }), { field: 'max_tokens', tokens: 50 })
  t.same(boundOf('chat', { max_completion_tokens: 9, max_tokens: 50 }), { field: 'max_completion_tokens', tokens: 9 })
  t.equal(boundOf('chat', { max_tokens: null }), null)
  t.equal(boundOf('text', { max_completion_tokens: 9 }), null)
  t.same(clamp('chat', { seed: 1 }, 7), { seed: 1, max_completion_tokens: 7 })
  t.same(clamp('chat', { max_tokens: 50 }, 7), { max_tokens: 7 })
  t.same(clamp('text', {}, 7), { max_tokens: 7 })
  t.equal(choicesOf({ n: 3 }), 3)
  t.end()
})
