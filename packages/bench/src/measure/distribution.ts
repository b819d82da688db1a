import { round } from '../report/figures.ts'

export type Distribution = {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** Nearest-rank percentiles. Throws on an empty list. */
export function distribution(values: readonly number[]): Distribution {
  if (values.length === 0) throw new RangeError('distribution of nothing')
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.ceil(share * sorted.length) - 1] as number)
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
