import { knownCases, type KnownCase } from '@loopgate/problems'
import t, { type Test } from 'tap'
import { inParallel, sandboxFor } from './support/sandbox.ts'

// SANDBOX_FIDELITY=25 judges the first 25 samples of each task (4,100 executions, some minutes) and
// prints executions per second; without it a subset that holds every kind of verdict and of value.
const PER_TASK = Number(process.env['SANDBOX_FIDELITY'] ?? 0)
/** Samples of one task, in the order of `knownCases`. */
const SAMPLES = 100
/** The limits under which the verdicts were recorded; the wall limit is generous since a machine may be loaded. */
const LIMITS = { cpuMs: 4000, wallMs: 60_000, memoryBytes: 1024 ** 3 }
/** Tasks whose check needs helpers of the prompt (32, 38, 50), or that compare floats, tuples, sets and exceptions. */
const SPECIAL = [2, 4, 8, 20, 32, 38, 50, 81, 107, 136, 148, 155]

const { run } = await sandboxFor(t)

async function judge(t: Test, { name, language, file, check, expected, recorded }: KnownCase): Promise<void> {
  const { checks, outcome } = await run({ language, files: [file], checks: [check], limits: LIMITS })
  const evidence = checks[0]?.evidence.slice(0, 300) ?? ''
  t.equal(checks[0]?.verdict, expected, `${name}, recorded ${recorded}, ${outcome} ${evidence}`)
}

t.test('canonical solutions of the tasks with special checks pass', async (t) => {
  const cases = knownCases('humaneval').filter((_, i) => SPECIAL.includes(i))
  t.equal(cases.length, SPECIAL.length)
  await inParallel(cases, 4, (each) => judge(t, each))
})

t.test('recorded samples get the verdict that was recorded', async (t) => {
  const cases = knownCases('samples').filter((_, i) => {
    const [task, sample] = [Math.floor(i / SAMPLES), i % SAMPLES]
    // One in three tasks, each with another sample, so that every kind of verdict turns up.
    return PER_TASK > 0 ? sample < PER_TASK : task % 3 === 0 && sample === task % 25
  })
  const begun = performance.now()
  await inParallel(cases, 4, (each) => judge(t, each))
  if (PER_TASK > 0)
    t.comment(`${cases.length} executions, ${((cases.length / (performance.now() - begun)) * 1000).toFixed(1)}/s`)
})
