import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const bench = (...args: string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })

t.test('a wrong name lists the names that are known', (t) => {
  const { status, stderr } = bench('gatway')
  t.equal(status, 2)
  t.match(stderr, /there is no benchmark "gatway"/)
  t.match(stderr, /^ {2}gateway: /m)
  t.end()
})

t.test('no name at all lists them too', (t) => {
  const { status, stderr } = bench()
  t.equal(status, 2)
  t.match(stderr, /^ {2}gateway: /m)
  t.end()
})

t.test('a length that is no number is refused before anything starts', (t) => {
  const { status, stderr } = bench('gateway', '--seconds', 'soon')
  t.equal(status, 2)
  t.match(stderr, /whole numbers/)
  t.end()
})
