import { lazily, readJsonl } from './jsonl.ts'

/** A problem of MBPP's sanitized part: `code`, `testImports` and `testList` after one another are a whole Python program. */
export type MbppProblem = {
  readonly taskId: number
  readonly prompt: string
  readonly code: string
  /** Lines that the tests need before them. */
  readonly testImports: readonly string[]
  /** Asserts, each of which calls the one function that is asked for. */
  readonly testList: readonly string[]
  /** Whether `code` passes its own tests on Python 3.11: it does in all of them. */
  readonly canonicalPasses: boolean
}

/** The 427 problems of MBPP sanitized in their order; read from disk once. */
export const mbppSanitized: () => readonly MbppProblem[] = lazily(() =>
  readJsonl<{
    task_id: number
    prompt: string
    code: string
    test_imports: string[]
    test_list: string[]
    canonical_passes: boolean
  }>('mbpp-sanitized.jsonl').map((row) => ({
    taskId: row.task_id,
    prompt: row.prompt,
    code: row.code,
    testImports: row.test_imports,
    testList: row.test_list,
    canonicalPasses: row.canonical_passes,
  })),
)
