import { humanEvalPython, recordedSamples, type HumanEvalProblem } from '@loopgate/problems'
import t from 'tap'
import { inParallel, sandboxFor } from './support/sandbox.ts'

// SANDBOX_FIDELITY=25 judges the first 25 samples of each task (4,100 executions, some minutes) and
// prints executions per second; without it a subset that holds every kind of verdict and of value.
const PER_TASK = Number(process.env['SANDBOX_FIDELITY'] ?? 0)
/** The limits under which the verdicts were recorded; the wall limit is generous since a machine may be loaded. */
const LIMITS = { cpuMs: 4000, wallMs: 60_000, memoryBytes: 1024 ** 3 }
/** Tasks whose check needs helpers of the prompt (32, 38, 50), or that compare floats, tuples, sets and exceptions. */
const SPECIAL = [2, 4, 8, 20, 32, 38, 50, 81, 107, 136, 148, 155]

const { run } = await sandboxFor(t)
const problems = new Map(humanEvalPython().map((problem) => [problem.taskId, problem]))

async function verdictOf(problem: HumanEvalProblem, content: string) {
  const { checks, outcome } = await run({
    language: 'python',
    files: [{ path: 'solution.py', content }],
    checks: [{ id: 'humaneval', entryPoint: problem.entryPoint, source: problem.test, prelude: problem.prompt }],
    limits: LIMITS,
  })
  return { verdict: checks[0]?.verdict, outcome, evidence: checks[0]?.evidence.slice(0, 300) ?? '' }
}

t.test('canonical solutions of the tasks with special checks pass', async (t) => {
  const tasks = SPECIAL.flatMap((number) => problems.get(`HumanEval/${number}`) ?? [])
  t.equal(tasks.length, SPECIAL.length)
  await inParallel(tasks, 4, async (problem) => {
    const { verdict, evidence } = await verdictOf(problem, problem.prompt + problem.canonicalSolution)
    t.equal(verdict, 'pass', `${problem.taskId} ${evidence}`)
  })
})

t.test('recorded samples get the verdict that was recorded', async (t) => {
  const samples = recordedSamples().flatMap(({ taskId, prompt, samples, verdicts }, number) => {
    const problem = problems.get(taskId)
    const chosen = samples.flatMap((sample, i) => ({ sample, i, letter: verdicts[i] }))
    // One in three tasks, each with another sample, so that every kind of verdict turns up.
    const subset =
      PER_TASK > 0 ? chosen.slice(0, PER_TASK) : number % 3 === 0 ? chosen.slice(number % 25, (number % 25) + 1) : []
    return problem === undefined ? [] : subset.map((each) => ({ ...each, problem, content: prompt + each.sample }))
  })
  const begun = performance.now()
  await inParallel(samples, 4, async ({ problem, content, letter, i }) => {
    const { verdict, outcome, evidence } = await verdictOf(problem, content)
    t.equal(
      verdict,
      letter === 'P' ? 'pass' : 'fail',
      `${problem.taskId}, sample ${i}, recorded ${letter ?? '?'}, ${outcome} ${evidence}`,
    )
  })
  if (PER_TASK > 0)
    t.comment(`${samples.length} executions, ${((samples.length / (performance.now() - begun)) * 1000).toFixed(1)}/s`)
})
