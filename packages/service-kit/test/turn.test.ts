import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { atEndOfTurn } from '../src/index.ts'

t.test('what waits for the end of the turn runs after all that can run at once, in order', async (t) => {
  const seen: string[] = []
  atEndOfTurn(() => seen.push('first'))
  atEndOfTurn(() => seen.push('second'))
  process.nextTick(() => seen.push('tick'))
  await Promise.resolve().then(() => seen.push('promise'))
  await turn()
  t.strictSame(seen, ['promise', 'tick', 'first', 'second'])
})

t.test('what is asked for at the end of a turn waits for the end of the next', async (t) => {
  const seen: string[] = []
  atEndOfTurn(() => {
    seen.push('outer')
    atEndOfTurn(() => seen.push('inner'))
  })
  await turn()
  t.strictSame(seen, ['outer'])
  await turn()
  t.strictSame(seen, ['outer', 'inner'])
})
