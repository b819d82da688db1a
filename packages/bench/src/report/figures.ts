/** One target in one case, as reported: medians over the repeats. */
export type Figures = {
  readonly case: string
  readonly target: string
  readonly label: string
  readonly unit: 'request' | 'chunk'
  readonly perSecond: number
  readonly cpuUsPerUnit: number
  readonly utilisation: number
  readonly p50Us: number | null
  readonly p99Us: number | null
  /** Lowest and highest CPU time a unit among the repeats: the noise. */
  readonly cpuUsPerUnitRange: readonly [number, number]
}

/** Three figures that mean something; more would be noise. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}
