import { humanEvalJs, multiplEJs } from '@loopgate/problems'
import t from 'tap'
import { inParallel, sandboxFor } from './support/sandbox.ts'

// One problem in twelve of each set; SANDBOX_ALL=1 takes every one.
const STEP = process.env['SANDBOX_ALL'] === '1' ? 1 : 12
const { run } = await sandboxFor(t)

async function verdictOf(content: string, entryPoint: string, source: string, prelude = '') {
  const files = [{ path: 'solution.js', content }]
  const { checks } = await run({ language: 'javascript', files, checks: [{ id: 'c', entryPoint, source, prelude }] })
  return { verdict: checks[0]?.verdict, evidence: checks[0]?.evidence.slice(0, 300) ?? '' }
}

t.test('canonical solutions of HumanEval-X get the verdict that is known of them', async (t) => {
  // JavaScript/162 wants an npm package, which no sandbox has.
  const problems = humanEvalJs().filter(({ taskId }, i) => i % STEP === 0 && taskId !== 'JavaScript/162')
  await inParallel(problems, 4, async (problem) => {
    const { declaration, canonicalSolution, canonicalPasses, test, taskId } = problem
    const entryPoint = [...declaration.matchAll(/const (\w+) =/g)].at(-1)?.[1] ?? 'missing'
    const prelude = declaration.slice(0, declaration.indexOf(`const ${entryPoint} =`))
    const { verdict, evidence } = await verdictOf(declaration + canonicalSolution, entryPoint, test, prelude)
    t.equal(verdict, canonicalPasses ? 'pass' : 'fail', `${taskId} ${evidence}`)
  })
})

t.test('reference completions of MultiPL-E pass its tests', async (t) => {
  const problems = multiplEJs().filter(({ referenceCompletion }, i) => i % STEP === 0 && referenceCompletion !== null)
  await inParallel(problems, 4, async ({ name, prompt, referenceCompletion, tests }) => {
    const entryPoint = /function (\w+)\([^)]*\)\s*\{\s*$/.exec(prompt)?.[1] ?? 'missing'
    const { verdict, evidence } = await verdictOf(prompt + String(referenceCompletion), entryPoint, tests)
    t.equal(verdict, 'pass', `${name} ${evidence}`)
  })
})
