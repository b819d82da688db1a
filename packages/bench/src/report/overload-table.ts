import type { OverloadReport } from '../scenarios/overload.ts'

const HEADS = [
  'load',
  'offered',
  'good',
  'good/s',
  'refused',
  'late',
  'failed',
  'p50 ms',
  'p99 ms',
  'gateway',
  'upstream',
  'callers',
  'late ms',
]

/** The overload report for people. */
export function overloadTable({ capacityPerSecond, events, deadlineMs, rows, kept }: OverloadReport): string {
  const line = (cells: readonly unknown[]) => cells.map((cell) => String(cell).padStart(10)).join('')
  return [
    `streams of ${events} events; capacity ${capacityPerSecond} a second on one core; callers leave after ${deadlineMs} ms`,
    'gateway, upstream and callers: cores they kept busy; late: the callers’ own event loop, 99 % of the time',
    line(HEADS),
    ...rows.map((row) =>
      line([
        `${row.factor}x`,
        row.offered,
        row.good,
        row.goodPerSecond,
        row.refused,
        row.late,
        row.failed,
        row.times?.p50 ?? '-',
        row.times?.p99 ?? '-',
        row.cores.gateway.toFixed(2),
        row.cores.upstream.toFixed(2),
        row.cores.callers.toFixed(2),
        row.callersLateMs,
      ]),
    ),
    `done in time at the largest load: ${kept.toFixed(2)} of the best`,
  ].join('\n')
}
