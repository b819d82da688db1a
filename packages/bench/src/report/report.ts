import { cpus } from 'node:os'
import { median } from '../measure/median.ts'
import type { Case } from '../scenarios/cases.ts'
import type { Sample } from '../scenarios/measure.ts'
import { round, type Figures } from './figures.ts'
import { ratios, type Ratio } from './ratios.ts'

/** One target in one case, as measured. */
export type Row = { readonly case: string; readonly target: string; readonly label: string } & (
  | { readonly samples: readonly Sample[] }
  | { readonly unavailable: string }
)

type Unavailable = {
  readonly case: string
  readonly target: string
  readonly label: string
  readonly unavailable: string
}

export type GatewayReport = {
  readonly name: 'gateway'
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string; readonly takenAt: string }
  readonly settings: { readonly seconds: number; readonly warmupSeconds: number; readonly repeats: number }
  readonly cases: ReadonlyArray<{ readonly name: string; readonly title: string }>
  readonly rows: readonly Figures[]
  readonly unavailable: readonly Unavailable[]
  readonly ratios: readonly Ratio[]
}

/** Sums the rows up: medians, and the ratios of Loopgate to each of the others. */
export function report(
  rows: readonly Row[],
  cases: readonly Case[],
  settings: { readonly seconds: number; readonly warmupSeconds: number; readonly repeats: number },
): GatewayReport {
  const units = new Map(cases.map(({ name, unit }) => [name, unit]))
  const figures = rows.flatMap((row) =>
    'samples' in row ? [sumUp(row, units.get(row.case) ?? 'request', row.samples)] : [],
  )
  const all = cpus()
  return {
    name: 'gateway',
    machine: {
      cpu: all[0]?.model ?? 'unknown',
      cores: all.length,
      node: process.version,
      takenAt: new Date().toISOString(),
    },
    settings: {
      seconds: settings.seconds,
      warmupSeconds: settings.warmupSeconds,
      repeats: settings.repeats,
    },
    cases: cases.map(({ name, title }) => ({ name, title })),
    rows: figures,
    unavailable: rows.filter((row): row is Unavailable => 'unavailable' in row),
    ratios: ratios(figures),
  }
}

function sumUp(row: Row, unit: 'request' | 'chunk', samples: readonly Sample[]): Figures {
  const middle = (pick: (sample: Sample) => number) => median(samples.map(pick))
  const cost = samples.map(({ cpuUsPerUnit }) => cpuUsPerUnit)
  const latency = (key: 'p50Us' | 'p99Us') => {
    const values = samples.flatMap((sample) => sample[key] ?? [])
    return values.length > 0 ? Math.round(median(values)) : null
  }
  return {
    case: row.case,
    target: row.target,
    label: row.label,
    unit,
    perSecond: Math.round(middle(({ perSecond }) => perSecond)),
    cpuUsPerUnit: round(middle(({ cpuUsPerUnit }) => cpuUsPerUnit)),
    utilisation: round(middle(({ utilisation }) => utilisation)),
    p50Us: latency('p50Us'),
    p99Us: latency('p99Us'),
    cpuUsPerUnitRange: [round(Math.min(...cost)), round(Math.max(...cost))],
  }
}
