import type { TenantsReport } from '../scenarios/tenants.ts'
import { distributionHeads, distributionCells } from './distribution-cells.ts'

/** The report on tenants for people. */
export function tenantsTable(report: TenantsReport): string {
  const { second, miss, hit, secondAgainstMiss, hitAgainstMiss, upstreamCallsPerRound } = report
  const row = (name: string, of: TenantsReport['miss']) => name.padEnd(52) + distributionCells(of)
  return [
    ''.padEnd(52) + distributionHeads,
    row('what another tenant has asked for before', second),
    row('what nobody has asked for', miss),
    row('what the same tenant has asked for before', hit),
    '',
    `rank-sum test, first against second row: p = ${secondAgainstMiss.p.toFixed(3)} (larger in ${percent(secondAgainstMiss.larger)} of pairs)`,
    `third against second row, where there is a difference: p = ${hitAgainstMiss.p.toExponential(1)} (larger in ${percent(hitAgainstMiss.larger)} of pairs)`,
    `upstream calls a round: ${upstreamCallsPerRound}, of four answers`,
  ].join('\n')
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
