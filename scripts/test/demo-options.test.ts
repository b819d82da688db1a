import t from 'tap'
import { parseOptions } from '../demo/options.ts'

t.test('without arguments the demo takes all problems, 25 iterations, fan-out 8', (t) => {
  t.strictSame(parseOptions([]), {
    problems: 164,
    budget: 25,
    fanOut: 8,
    isolation: 'process',
    json: false,
    keep: false,
  })
  t.end()
})

t.test('a bad argument is refused with the name of the option', (t) => {
  for (const args of [
    ['--problems', '0'],
    ['--problems', '165'],
    ['--problems', '1.5'],
    ['--problems', 'all'],
  ]) {
    t.throws(() => parseOptions(args), /--problems takes a whole number from 1 to 164/)
  }
  t.throws(() => parseOptions(['--fan-out', '101']), /--fan-out/)
  t.throws(() => parseOptions(['--unknown']), /Unknown option '--unknown'/)
  t.end()
})

t.test('--help asks for the help text', (t) => {
  t.equal(parseOptions(['--help']), null)
  t.end()
})
