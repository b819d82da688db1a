import { EXPLAINED } from '@loopgate/problems'
import type { Judged } from './judge.ts'

export type FidelityReport = {
  readonly cases: number
  /** Cases that got the verdict that is known of them. */
  readonly agreed: number
  /** What the gateway counted as executions meanwhile: as many as cases, or something was not run. */
  readonly executions: number
  /** By what was recorded: how often which verdict came with which outcome. */
  readonly came: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Cases that got another verdict, for a reason that is known. */
  readonly explained: readonly string[]
  /** All others that did. */
  readonly differences: readonly string[]
  readonly elapsedMs: number
}

/** Holds what came against what is known. */
export function compare(judged: readonly Judged[], executions: number, elapsedMs: number): FidelityReport {
  const came: Record<string, Record<string, number>> = {}
  for (const { known, verdict, outcome } of judged) {
    const row = (came[known.recorded] ??= {})
    const what = `${verdict} (${outcome})`
    row[what] = (row[what] ?? 0) + 1
  }
  const different = judged.filter(({ known, verdict }) => verdict !== known.expected)
  const [explained, unexplained] = [true, false].map((has) =>
    different.filter(({ known }) => Object.hasOwn(EXPLAINED, known.name) === has),
  ) as [Judged[], Judged[]]
  return {
    cases: judged.length,
    agreed: judged.length - different.length,
    executions,
    came,
    explained: explained.map((one) => `${difference(one)} Because: ${EXPLAINED[one.known.name] ?? ''}`),
    differences: unexplained.map(difference),
    elapsedMs: Math.round(elapsedMs),
  }
}

const difference = ({ known, verdict, outcome, evidence }: Judged): string =>
  `${known.name}, recorded ${known.recorded}: ${verdict} (${outcome}), not ${known.expected}. ${evidence}`

/** Whether every case was run, and got its verdict or another for a reason that is known. */
export const isFaithful = ({ cases, executions, differences }: FidelityReport): boolean =>
  cases > 0 && differences.length === 0 && executions === cases

/** The report for people. */
export function renderReport(report: FidelityReport): string {
  const { cases, agreed, executions, came, explained, differences, elapsedMs } = report
  return [
    `cases                ${cases}, executions counted by the gateway ${executions}`,
    `verdict as known     ${agreed} of ${cases} (${((agreed / cases) * 100).toFixed(3)} %)`,
    ...Object.entries(came).map(([recorded, row]) => {
      const cells = Object.entries(row).map(([what, count]) => `${what} ${count}`)
      return `recorded ${recorded.padEnd(12)}${cells.join(', ')}`
    }),
    `wall time            ${(elapsedMs / 1000).toFixed(1)} s, ${((cases * 1000) / elapsedMs).toFixed(1)} a second`,
    `explained            ${explained.length}`,
    ...explained,
    `differences          ${differences.length}`,
    ...differences,
  ].join('\n')
}
