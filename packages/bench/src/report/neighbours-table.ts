import type { NeighboursReport } from '../scenarios/neighbours.ts'
import { distributionCells, distributionHeads } from './distribution-cells.ts'

/** The report on neighbours for people. */
export function neighboursTable({ quotaPerMinute, rows }: NeighboursReport): string {
  const lines = rows.flatMap(({ factor, alone, beside, p50Ratio, p99Ratio, loud, refusalUs }) => [
    `beside a tenant that asks for ${factor} times its ${quotaPerMinute} requests a minute`,
    `  alone${distributionCells(alone.times).padStart(53)}   ${alone.errors} errors`,
    `  beside${distributionCells(beside.times).padStart(52)}   ${beside.errors} errors`,
    `  beside, as a multiple of alone: p50 ${p50Ratio.toFixed(2)}, p99 ${p99Ratio.toFixed(2)}`,
    `  the other: ${loud.good} of ${loud.offered} answered, ${loud.refused} refused, ${loud.late + loud.failed} neither; ` +
      `a refusal takes ${Math.round(refusalUs)} us of CPU`,
    '',
  ])
  return [''.padEnd(10) + distributionHeads, ...lines].join('\n').trimEnd()
}
