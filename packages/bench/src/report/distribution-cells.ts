import type { Distribution } from '../measure/distribution.ts'

const line = (cells: readonly unknown[]): string => cells.map((cell) => String(cell).padStart(10)).join('')

export const distributionHeads = line(['count', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms'])

export const distributionCells = ({ count, p50, p90, p99, max }: Distribution): string =>
  line([count, p50, p90, p99, max])
