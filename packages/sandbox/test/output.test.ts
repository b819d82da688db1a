import { array, assert as fcAssert, integer, nat, property, string as fcString, uint8Array } from 'fast-check'
import t from 'tap'
import { createCappedOutput } from '../src/jail/output.ts'

const decode = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

/** Pushes the bytes in pieces that end at the cuts. */
function pushed(bytes: Buffer, cuts: readonly number[], limit: number) {
  const seen = { overflows: 0, kept: Buffer.alloc(0) }
  const output = createCappedOutput(limit, {
    onOverflow: () => (seen.overflows += 1),
    onKept: (part) => (seen.kept = Buffer.concat([seen.kept, part])),
  })
  const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length]
  for (let i = 1; i < edges.length; i++) output.push(bytes.subarray(edges[i - 1], edges[i]))
  return { output, seen }
}

t.test('however the bytes are split, exactly the limit of them is kept: all, or a head and a tail', (t) => {
  fcAssert(
    property(
      uint8Array({ maxLength: 80 }),
      array(nat({ max: 80 }), { maxLength: 8 }),
      integer({ min: 1, max: 100 }),
      (raw, cuts, limit) => {
        const bytes = Buffer.from(raw)
        const { output, seen } = pushed(bytes, cuts, limit)
        const isLong = bytes.length > limit
        const { bytesTotal, omittedBytes, base64 } = output.facts()
        const head = bytes.subarray(0, Math.ceil(limit / 2))
        const tail = bytes.subarray(bytes.length - (limit - head.length))
        const kept = isLong ? Buffer.concat([head, tail]) : bytes
        return (
          bytesTotal === bytes.length &&
          omittedBytes === bytes.length - kept.length &&
          (base64 === undefined || Buffer.from(base64, 'base64').equals(kept)) &&
          output.truncated() === isLong &&
          seen.overflows === (isLong ? 1 : 0) &&
          seen.kept.equals(bytes.subarray(0, limit))
        )
      },
    ),
  )
  t.pass('held')
  t.end()
})

t.test('a text that is cut has whole characters on both sides of a line that says how much is missing', (t) => {
  fcAssert(
    property(
      fcString({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
      integer({ min: 1, max: 60 }),
      (text, limit) => {
        const bytes = Buffer.from(text)
        const { output } = pushed(bytes, [], limit)
        if (bytes.length <= limit) return output.text() === text
        const { omittedBytes, base64 } = output.facts()
        const [head = '', tail = ''] = output.text().split(`\n[... ${omittedBytes} bytes left out ...]\n`)
        return base64 === undefined && text.startsWith(head) && text.endsWith(tail) && !/\uFFFD/.test(head + tail)
      },
    ),
  )
  t.pass('held')
  t.end()
})

t.test('what is not UTF-8 is given as bytes too, and shown with replacement characters', (t) => {
  const bytes = Buffer.from([0x61, 0xff, 0x62, 0x00, 0xe2, 0x82])
  const { output } = pushed(bytes, [1, 5], 100)
  t.equal(output.text(), decode(bytes))
  t.same(output.facts(), { bytesTotal: 6, omittedBytes: 0, base64: bytes.toString('base64') })
  t.end()
})
