import type { SandboxResult } from '@loopgate/sandbox'
import type { TestSandbox } from './sandbox.ts'

type Judged = SandboxResult['checks'][number] & Pick<SandboxResult, 'outcome' | 'stdout' | 'stderr'>

/** Judges a candidate by one check of entry point `f`; `rest` overrides fields of the check. */
export type Judge = (
  candidate: string,
  source: string,
  rest?: { entryPoint?: string; prelude?: string; limits?: object; path?: string },
) => Promise<Judged>

/** Judges candidates in one language; `file` is where a candidate stands. */
export function judging(run: TestSandbox['run'], language: 'python' | 'javascript', file: string): Judge {
  return async (candidate, source, { limits = {}, entryPoint = 'f', prelude = '', path = file } = {}) => {
    const files = [{ path, content: candidate }]
    const result = await run({ language, files, checks: [{ id: 'c', entryPoint, source, prelude }], limits })
    const [check] = result.checks
    if (check === undefined) throw new Error('no check result')
    return { ...check, outcome: result.outcome, stdout: result.stdout, stderr: result.stderr }
  }
}
