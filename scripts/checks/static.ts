import { run } from './run.ts'

/** Every static check, cheapest first. */
const CHECKS: ReadonlyArray<readonly [string, ...string[]]> = [
  ['oxfmt', '--check', '.'],
  ['oxlint', '--quiet'],
  ['tsc', '-p', '.'],
  ['knip', '--no-progress'],
]

/** Runs all of them, even after one has failed, so that one run shows every fault. */
export async function runStaticChecks(): Promise<string[]> {
  const failed: string[] = []
  for (const [command, ...args] of CHECKS) {
    if ((await run(command, args)) !== 0) failed.push(command)
  }
  return failed
}
