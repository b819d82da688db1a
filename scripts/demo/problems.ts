import type { LoopInput } from '@loopgate/contracts'
import { humanEvalPython, recordedSamples } from '@loopgate/problems'
import type { DemoOptions } from './options.ts'

export type DemoProblem = {
  readonly taskId: string
  readonly loop: LoopInput
  /** Index of the first recorded sample within the budget that passed when it was recorded; null if none did. */
  readonly firstPassing: number | null
}

/**
 * Limits of one candidate. CPU is what tells a hanging candidate (the recorded verdicts were made
 * with 4 s); the wall limit is wide, since a busy machine must not change a verdict.
 */
const LIMITS = { cpuMs: 4_000, wallMs: 30_000, memoryBytes: 1024 * 1024 * 1024 }

/** The first problems of HumanEval, each as the loop that shall solve it. */
export function demoProblems({ problems, budget, fanOut, isolation }: DemoOptions): DemoProblem[] {
  const tests = new Map(humanEvalPython().map((problem) => [problem.taskId, problem.test]))
  return recordedSamples()
    .slice(0, problems)
    .map(({ taskId, entryPoint, prompt, verdicts }) => {
      const firstPassing = verdicts.slice(0, budget).indexOf('P')
      const loop: LoopInput = {
        goal: `Write the body of the Python function ${entryPoint} so that it does what its docstring says.`,
        language: 'python',
        scaffold: prompt,
        checks: [{ id: 'humaneval', entryPoint, prelude: prompt, source: tests.get(taskId) ?? '' }],
        sampling: { model: 'gpt-oss-120b', temperature: 0.8, maxCompletionTokens: 512, fanOut },
        budget: { iterations: budget },
        limits: LIMITS,
        isolation,
        labels: { demo: 'humaneval', task: taskId },
      }
      return { taskId, loop, firstPassing: firstPassing < 0 ? null : firstPassing }
    })
}
