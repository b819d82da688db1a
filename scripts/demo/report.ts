import type { LoopView } from '@loopgate/contracts'
import { total, type Counters } from './counters.ts'
import type { DemoProblem } from './problems.ts'

export type Ended = { readonly problem: DemoProblem; readonly view: LoopView }

/** What `--json` prints. */
export type Report = {
  readonly problems: number
  readonly solved: number
  readonly expectedSolved: number
  /** Problems solved against the recorded verdicts, or not solved though they should have been. */
  readonly mismatches: readonly string[]
  /** Problems that accepted another sample than the first recorded pass: a flaky or hanging sample. */
  readonly flaky: readonly string[]
  readonly iterations: number
  readonly generations: Counters['generations']
  readonly upstreamCalls: number
  readonly executions: Readonly<Record<string, number>>
  readonly duplicatesSkipped: number
  readonly elapsedMs: number
  readonly iterationsPerSecond: number
}

/** Holds what the loops reached against what the recorded verdicts say. */
export function makeReport(ended: readonly Ended[], counters: Counters, elapsedMs: number): Report {
  const solved = ended.filter(({ view }) => view.state === 'accepted')
  const mismatches = ended.filter(
    ({ problem, view }) => (view.state === 'accepted') !== (problem.firstPassing !== null),
  )
  const flaky = solved.filter(
    ({ problem, view }) => problem.firstPassing !== null && view.accepted?.sampleIndex !== problem.firstPassing,
  )
  return {
    problems: ended.length,
    solved: solved.length,
    expectedSolved: ended.filter(({ problem }) => problem.firstPassing !== null).length,
    mismatches: mismatches.map(
      ({ problem, view }) => `${problem.taskId}: ${view.state} (${view.reason ?? 'no reason'})`,
    ),
    flaky: flaky.map(
      ({ problem, view }) =>
        `${problem.taskId}: accepted sample ${view.accepted?.sampleIndex}, recorded ${problem.firstPassing}`,
    ),
    iterations: counters.iterations,
    generations: counters.generations,
    upstreamCalls: counters.upstreamCalls,
    executions: counters.executions,
    duplicatesSkipped: counters.duplicatesSkipped,
    elapsedMs: Math.round(elapsedMs),
    iterationsPerSecond: Number(((counters.iterations / elapsedMs) * 1000).toFixed(1)),
  }
}

const share = (part: number, whole: number): string => `${part} of ${whole} (${((part / whole) * 100).toFixed(1)} %)`
const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none'

/** The report as a table for people. */
export function renderReport(report: Report): string {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['solved', share(report.solved, report.problems)],
    ['known from the recording', share(report.expectedSolved, report.problems)],
    ['mismatches', report.mismatches.join('; ') || 'none'],
    ['flaky samples', report.flaky.join('; ') || 'none'],
    ['iterations', String(report.iterations)],
    ['generations', `${total(report.generations)}: ${list(report.generations)}`],
    ['upstream calls', String(report.upstreamCalls)],
    ['executions', `${total(report.executions)}: ${list(report.executions)}`],
    ['duplicates skipped', String(report.duplicatesSkipped)],
    ['wall time', `${(report.elapsedMs / 1000).toFixed(1)} s`],
    ['iterations a second', String(report.iterationsPerSecond)],
  ]
  return rows.map(([name, value]) => `  ${name.padEnd(26)}${value}`).join('\n')
}
