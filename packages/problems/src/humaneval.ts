import { lazily, readJsonl } from './jsonl.ts'

/** A HumanEval problem: `prompt` + a body + `test` + `check(entryPoint)` is a whole Python program. */
export type HumanEvalProblem = {
  readonly taskId: string
  /** Signature and docstring, examples included. */
  readonly prompt: string
  readonly entryPoint: string
  readonly canonicalSolution: string
  /** Defines `check(candidate)`. */
  readonly test: string
  /** Whether the canonical solution passes its own test on Python 3.11. */
  readonly canonicalPasses: boolean
}

/** The 164 problems of openai/human-eval in their order; read from disk once. */
export const humanEvalPython: () => readonly HumanEvalProblem[] = lazily(() =>
  readJsonl<{
    task_id: string
    prompt: string
    entry_point: string
    canonical_solution: string
    test: string
    canonical_passes: boolean
  }>('humaneval-python.jsonl').map((row) => ({
    taskId: row.task_id,
    prompt: row.prompt,
    entryPoint: row.entry_point,
    canonicalSolution: row.canonical_solution,
    test: row.test,
    canonicalPasses: row.canonical_passes,
  })),
)

/** A HumanEval-X problem in JavaScript. Its tests use `console.assert`: make that throw before running them. */
export type HumanEvalJsProblem = {
  readonly taskId: string
  /** A comment with the task, then the opened function. */
  readonly prompt: string
  /** The opened function alone. */
  readonly declaration: string
  readonly canonicalSolution: string
  readonly test: string
  readonly exampleTest: string
  readonly canonicalPasses: boolean
}

/** The 164 problems of HumanEval-X JavaScript in their order; read from disk once. */
export const humanEvalJs: () => readonly HumanEvalJsProblem[] = lazily(() =>
  readJsonl<{
    task_id: string
    prompt: string
    declaration: string
    canonical_solution: string
    test: string
    example_test: string
    canonical_passes: boolean
  }>('humaneval-js.jsonl').map((row) => ({
    taskId: row.task_id,
    prompt: row.prompt,
    declaration: row.declaration,
    canonicalSolution: row.canonical_solution,
    test: row.test,
    exampleTest: row.example_test,
    canonicalPasses: row.canonical_passes,
  })),
)

/** A MultiPL-E problem in JavaScript: `prompt` + a completion + `tests` throws unless it is right. */
export type MultiPlEProblem = {
  readonly name: string
  /** The HumanEval problem it was translated from. */
  readonly taskId: string
  readonly language: string
  /** Ends inside the opened function. */
  readonly prompt: string
  readonly tests: string
  readonly stopTokens: readonly string[]
  /** A completion known to pass, or null where none was made. */
  readonly referenceCompletion: string | null
}

/** The 161 MultiPL-E problems in JavaScript, in file order; read from disk once. */
export const multiplEJs: () => readonly MultiPlEProblem[] = lazily(() =>
  readJsonl<{
    name: string
    task_id: string
    language: string
    prompt: string
    tests: string
    stop_tokens: string[]
    reference_completion: string | null
  }>('multipl-e-humaneval-js.jsonl').map((row) => ({
    name: row.name,
    taskId: row.task_id,
    language: row.language,
    prompt: row.prompt,
    tests: row.tests,
    stopTokens: row.stop_tokens,
    referenceCompletion: row.reference_completion,
  })),
)
