import { knownCases, type KnownCase } from '@loopgate/problems'
import t, { type Test } from 'tap'
import { inParallel, sandboxFor } from './support/sandbox.ts'

// One problem in twelve of each set; SANDBOX_ALL=1 takes every one.
const STEP = process.env['SANDBOX_ALL'] === '1' ? 1 : 12
const { run } = await sandboxFor(t)

async function judge(t: Test, { name, language, file, check, expected }: KnownCase): Promise<void> {
  const { checks } = await run({ language, files: [file], checks: [check] })
  t.equal(checks[0]?.verdict, expected, `${name} ${checks[0]?.evidence.slice(0, 300) ?? ''}`)
}

t.test('canonical solutions of HumanEval-X get the verdict that is known of them', async (t) => {
  const cases = knownCases('humaneval-js').filter((_, i) => i % STEP === 0)
  await inParallel(cases, 4, (each) => judge(t, each))
})

t.test('reference completions of MultiPL-E pass its tests', async (t) => {
  const cases = knownCases('multipl-e-js').filter((_, i) => i % STEP === 0)
  await inParallel(cases, 4, (each) => judge(t, each))
})
