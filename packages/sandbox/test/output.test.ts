import { array, assert as fcAssert, integer, nat, property, string as fcString } from 'fast-check'
import t from 'tap'
import { createCappedOutput } from '../src/jail/output.ts'

t.test('however the bytes are split, the text is that of the first bytes up to the limit', (t) => {
  fcAssert(
    property(
      fcString({ unit: 'binary', maxLength: 60 }),
      array(nat({ max: 80 }), { maxLength: 8 }),
      integer({ min: 1, max: 120 }),
      (text, cuts, limit) => {
        const bytes = Buffer.from(text)
        let overflows = 0
        const output = createCappedOutput(limit, () => (overflows += 1))
        const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]
        for (let i = 1; i < edges.length; i++) output.push(bytes.subarray(edges[i - 1], edges[i]))
        const kept = bytes.subarray(0, limit)
        const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(kept, { stream: bytes.length > limit })
        return (
          output.text() === expected &&
          output.truncated() === bytes.length > limit &&
          overflows === (bytes.length > limit ? 1 : 0)
        )
      },
    ),
  )
  t.pass('held')
  t.end()
})
