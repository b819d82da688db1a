import t from 'tap'
import { Gate } from '../../src/schedule/buckets/gate.ts'

const LENGTH = { firstMs: 1000, atMostMs: 5000 }

/** Refuses a call that went through and was refused at these times; gives the length of the pause. */
function refuse(gate: Gate, passedAtMs: number, nowMs: number): number {
  const ms = gate.refused(LENGTH, passedAtMs)
  gate.pause(nowMs + ms, nowMs, 100)
  return ms
}

t.test('a pause is twice as long as the one before, up to a bound, until a call gets through', (t) => {
  const gate = new Gate()
  let nowMs = 0
  const lengths = []
  for (let n = 0; n < 5; n++) {
    gate.passed(nowMs)
    lengths.push(refuse(gate, nowMs, nowMs + 10))
    nowMs = gate.opensAtMs()
  }
  t.strictSame(lengths, [1000, 2000, 4000, 5000, 5000])
  gate.passed(nowMs)
  gate.taken(nowMs + 10, nowMs)
  t.equal(refuse(gate, nowMs + 20, nowMs + 30), 1000)
  t.end()
})

t.test('those who were on their way when a pause began neither lengthen nor end it, however late they hear', (t) => {
  const gate = new Gate()
  t.equal(refuse(gate, 0, 100), 1000)
  for (const nowMs of [101, 900, 1500]) t.equal(refuse(gate, 0, nowMs), 1000)
  t.equal(gate.opensAtMs(), 2500)
  gate.taken(2500, 0)
  gate.passed(2500)
  t.equal(gate.opensAtMs(), 3500, 'still one at a time')
  gate.taken(2600, 2500)
  t.ok(gate.opensAtMs() < 2600, 'the first that went after it has ended it')
  t.end()
})
