import type { LeavingReport } from '../scenarios/leaving.ts'
import { distributionCells, distributionHeads } from './distribution-cells.ts'

/** The report on callers who leave, for people. */
export function leavingTable({ rows }: LeavingReport): string {
  return [
    'all callers of one generation close their connections: until the upstream sees its own closed',
    'replicas'.padStart(10) + 'callers'.padStart(10) + distributionHeads,
    ...rows.map(
      ({ replicas, callers, closedAfterMs }) =>
        String(replicas).padStart(10) + String(callers).padStart(10) + distributionCells(closedAfterMs),
    ),
  ].join('\n')
}
