import t from 'tap'
import { createRecordReader, readRecord } from '../src/checker/record.ts'

const expected = { nonce: 'n'.repeat(32), candidateSha256: 'c'.repeat(64), checkId: 'visible', calls: 3, answered: 3 }
const record = { ...expected, verdict: 'pass', evidence: '' }
const read = (value: unknown, wanted = expected) => readRecord(Buffer.from(JSON.stringify(value)), wanted)

t.test('a record that agrees with everything the runner knows is a verdict', (t) => {
  t.same(read(record), { verdict: 'pass', evidence: '' })
  t.same(read({ ...record, verdict: 'fail', evidence: 'why' }), { verdict: 'fail', evidence: 'why' })
  t.end()
})

t.test('a record that differs in any one thing is no verdict', (t) => {
  const wrong: Record<string, unknown> = {
    'the nonce': { ...record, nonce: 'm'.repeat(32) },
    'the length of the nonce': { ...record, nonce: 'n' },
    'the candidate': { ...record, candidateSha256: 'd'.repeat(64) },
    'the check': { ...record, checkId: 'hidden' },
    'the calls': { ...record, calls: 4 },
    'the answers': { ...record, answered: 2 },
    'an unknown verdict': { ...record, verdict: 'passed' },
    'one more field': { ...record, extra: true },
    'no object': 'pass',
  }
  for (const [what, value] of Object.entries(wrong)) t.match(read(value), { refused: String }, what)
  t.match(readRecord(null, expected), { refused: /without a verdict/ })
  t.match(readRecord(Buffer.from('{'), expected), { refused: /malformed/ })
  t.end()
})

t.test('a pass without a call, or with a call that has no answer, is no pass', (t) => {
  t.match(read({ ...record, calls: 0, answered: 0 }, { ...expected, calls: 0, answered: 0 }), { refused: String })
  t.match(read({ ...record, answered: 2 }, { ...expected, answered: 2 }), { refused: String })
  t.end()
})

t.test('a record beyond any that the checker writes is not kept', (t) => {
  const reader = createRecordReader()
  t.equal(reader.bytes(), null, 'nothing came')
  for (let i = 0; i < 40; i++) reader.push(Buffer.alloc(1024, 'x'))
  t.equal(reader.bytes(), null)
  t.end()
})
