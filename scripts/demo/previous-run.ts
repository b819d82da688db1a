import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DemoOptions } from './options.ts'
import type { Ended } from './report.ts'

/** Accepted candidates of a run: task to SHA-256, null where none was accepted. */
type Accepted = Readonly<Record<string, string | null>>

/**
 * Compares the accepted candidates with those of the last run of the same options, then keeps this
 * run's. Returns null if there was none, else the tasks whose candidate is another one.
 */
export function compareWithLastRun(
  stateFolder: string,
  options: DemoOptions,
  ended: readonly Ended[],
): string[] | null {
  const folder = join(stateFolder, 'demo')
  const file = join(folder, `accepted-${options.problems}-${options.budget}-${options.fanOut}.json`)
  const accepted: Accepted = Object.fromEntries(
    ended.map(({ problem, view }) => [problem.taskId, view.accepted?.candidateSha256 ?? null]),
  )
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Accepted) : null
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${JSON.stringify(accepted, null, 2)}\n`)
  return before === null ? null : Object.keys(accepted).filter((task) => accepted[task] !== before[task])
}
