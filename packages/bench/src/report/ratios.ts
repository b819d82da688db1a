import { round, type Figures } from './figures.ts'

export type Ratio = {
  readonly case: string
  readonly against: string
  /** Loopgate's units a second over the other's: above 1 Loopgate is faster. */
  readonly perSecond: number
  /** Loopgate's CPU time a unit over the other's: below 1 Loopgate is cheaper. */
  readonly cpuUsPerUnit: number
  /** Loopgate's median latency less the other's, where latency was measured. */
  readonly p50DifferenceUs: number | null
}

/** Loopgate against every other target of the same case. */
export function ratios(figures: readonly Figures[]): Ratio[] {
  return figures
    .filter(({ target }) => target === 'loopgate')
    .flatMap((own) =>
      figures
        .filter((other) => other.case === own.case && other.target !== 'loopgate')
        .map((other) => ({
          case: own.case,
          against: other.target,
          perSecond: round(own.perSecond / other.perSecond),
          cpuUsPerUnit: round(own.cpuUsPerUnit / other.cpuUsPerUnit),
          p50DifferenceUs: own.p50Us === null || other.p50Us === null ? null : own.p50Us - other.p50Us,
        })),
    )
}
