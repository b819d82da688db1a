import t from 'tap'
import { fidelity } from '../fidelity/fidelity.ts'
import { chosenCases, parseFidelityOptions } from '../fidelity/options.ts'
import { isFaithful, renderReport } from '../fidelity/report.ts'
import { testStack } from './test-stack.ts'

const cases = (...args: string[]) => chosenCases(parseFidelityOptions(args))

t.test('programs whose verdict is known get it through the gateway, each of them run', async (t) => {
  const { stack } = await testStack(t)
  const judge = async (args: string[], isolation: 'process' | 'fork' | 'isolate') => {
    const report = await fidelity(stack.dev(), cases(...args, '--isolation', isolation), isolation)
    t.ok(isFaithful(report), `${args.join(' ')} in ${isolation}\n${renderReport(report)}`)
    return report
  }
  t.match(await judge(['--problems', '3', '--samples', '3'], 'process'), { cases: 9, executions: 9, differences: [] })
  // The very same once more: what is known already is not what is asked.
  t.match(await judge(['--problems', '3', '--samples', '3'], 'process'), { cases: 9, executions: 9 })
  await judge(['--set', 'mbpp', '--problems', '4'], 'fork')
  await judge(['--set', 'javascript', '--problems', '3'], 'isolate')
})

t.test('a verdict that is another than the recorded one is a difference, with its evidence', async (t) => {
  const { stack } = await testStack(t)
  const [right, wrong] = cases('--set', 'mbpp', '--problems', '2')
  const explained = cases().find(({ name }) => name === 'HumanEval/48, sample 88')
  const spoilt = { ...wrong!, file: { ...wrong!.file, content: 'def is_not_prime(n):\n  return None' } }
  const report = await fidelity(stack.dev(), [right!, spoilt, explained!], 'process')
  t.notOk(isFaithful(report))
  t.match(report, { cases: 3, agreed: 1, executions: 3 })
  t.match(report.differences, [/MBPP\/3, recorded canonical: fail \(ok\), not pass\. [^]*is_not_prime/])
  t.match(report.explained, [/sample 88, recorded P: fail .*Because: it imports boto3/])
})

t.test('a bad option is refused by name, and a tier that does not run the language of the set', (t) => {
  t.throws(() => parseFidelityOptions(['--set', 'all']), /--set takes samples, humaneval, mbpp/)
  t.throws(() => parseFidelityOptions(['--isolation', 'none']), /--isolation takes process/)
  t.throws(() => parseFidelityOptions(['--samples', '101']), /--samples takes a whole number from 1 to 100/)
  t.throws(() => cases('--set', 'mbpp', '--isolation', 'isolate'), /--isolation isolate does not run python/)
  t.equal(cases().length, 16_400)
  t.end()
})
