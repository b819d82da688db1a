import v8 from 'node:v8'
import vm from 'node:vm'
import * as fc from 'fast-check'
import t from 'tap'
import { PassingMap } from '../src/passing-map.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as (options?: { type: 'minor' }) => void

t.test('it does what a Map does', (t) => {
  const step = fc.tuple(fc.constantFrom('set', 'delete', 'get'), fc.nat(8))
  const property = fc.property(fc.array(step), (steps) => {
    const map = new PassingMap<number, object>()
    const model = new Map<number, object>()
    for (const [what, key] of steps) {
      const value = {}
      if (what === 'set') {
        map.set(key, value)
        // Set again is new here, and last.
        model.delete(key)
        model.set(key, value)
      } else if (what === 'delete') t.equal(map.delete(key), model.delete(key))
      if (map.get(key) !== model.get(key) || map.size !== model.size) return false
    }
    const [all, expected] = [[...map.values()], [...model.values()]]
    return all.length === expected.length && all.every((value, at) => value === expected[at])
  })
  fc.assert(property)
  t.end()
})

t.test('values that go while others are looked at are left out', (t) => {
  const map = new PassingMap<number, { n: number }>()
  for (let n = 0; n < 4; n++) map.set(n, { n })
  const seen: number[] = []
  for (const { n } of map.values()) {
    seen.push(n)
    map.delete(n + 1)
  }
  t.strictSame(seen, [0, 2])
  t.end()
})

t.test('what has gone is let go by young collections alone', (t) => {
  const map = new PassingMap<number, unknown[]>()
  collect()
  const before = process.memoryUsage().heapUsed
  for (let round = 0, n = 0; round < 20; round++) {
    for (let i = 0; i < 2000; i++, n++) {
      map.set(
        n,
        Array.from({ length: 500 }, () => n),
      )
      map.delete(n - 32)
    }
    collect({ type: 'minor' })
  }
  // Of 160 MB a Map keeps a third.
  const grownBytes = process.memoryUsage().heapUsed - before
  t.ok(grownBytes < 5e6, `${grownBytes} bytes more`)
  t.equal(map.size, 32)
  t.end()
})
