import { cpus } from 'node:os'
import type { HostileReport, HostileRow } from '../scenarios/hostile.ts'

const HEADS = ['canaries', 'p50 ms', 'p99 ms', 'p50/alone', 'p99/alone', 'p50/like', 'p99/like', 'runs', 'cores']

const line = (name: string, cells: readonly unknown[]): string =>
  name.padEnd(52) + cells.map((cell) => String(cell).padStart(10)).join('')

const cells = ({ canary, overAlone, overLike, runs, cores }: HostileRow): unknown[] => [
  canary.count,
  canary.p50,
  canary.p99,
  overAlone.p50,
  overAlone.p99,
  overLike?.p50 ?? '',
  overLike?.p99 ?? '',
  runs,
  cores,
]

/** The report of canaries beside hostile programs, for people. */
export function hostileTable({ rows, unavailable }: HostileReport): string {
  const tiers = Map.groupBy(rows, ({ tier }) => tier)
  return [
    `${cpus()[0]?.model ?? 'an unknown processor'}, ${cpus().length} cores, Node ${process.version}`,
    'a canary is the smallest program of the tier, one after another; what is named runs beside it over and over',
    'like: the harmless programs that take most nearly the same of the machine, all in one run',
    ...[...tiers].flatMap(([tier, rows]) => ['', line(tier, HEADS), ...rows.map((row) => line(row.name, cells(row)))]),
    ...unavailable.map(({ name, why }) => `${name} was not measured: ${why}`),
  ].join('\n')
}
