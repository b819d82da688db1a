import { lazily, readJsonl } from './jsonl.ts'

/** A HumanEval task with the 100 completions that CodeGen-16B once gave for it. */
export type RecordedTask = {
  readonly taskId: string
  readonly entryPoint: string
  /** The prompt the model saw: the HumanEval prompt without the examples of its docstring. */
  readonly prompt: string
  /** 100 completions in their original order: function bodies that follow the prompt. */
  readonly samples: readonly string[]
  /** 100 letters, one a sample: P pass, A assertion, E exception, S syntax, T time-out, X CPU limit. */
  readonly verdicts: string
}

/** The 164 recorded tasks in the order of HumanEval; read from disk once (3.9 MB). */
export const recordedSamples: () => readonly RecordedTask[] = lazily(() =>
  readJsonl<{ task_id: string; entry_point: string; prompt: string; samples: string[]; verdicts: string }>(
    'codegen16b-humaneval-samples.jsonl',
  ).map((row) => ({
    taskId: row.task_id,
    entryPoint: row.entry_point,
    prompt: row.prompt,
    samples: row.samples,
    verdicts: row.verdicts,
  })),
)

/**
 * The tasks that have a passing sample among the first `budget` recorded ones, in the order of
 * HumanEval; `firstPassing` is the index of the first of them, counted from 0. What a loop with
 * that many samples must solve: no task more, no task less.
 */
export function expectedSolved(budget: number): Array<{ readonly taskId: string; readonly firstPassing: number }> {
  return recordedSamples()
    .map(({ taskId, verdicts }) => ({ taskId, firstPassing: verdicts.indexOf('P') }))
    .filter(({ firstPassing }) => firstPassing !== -1 && firstPassing < budget)
}
