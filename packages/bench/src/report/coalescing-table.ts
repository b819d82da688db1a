import type { CoalescingReport } from '../scenarios/coalescing.ts'

const HEADS = [
  'replicas',
  'callers',
  'coalescing',
  'upstream calls',
  'bursts',
  'equal',
  'p50 ms',
  'p99 ms',
  'CPU us/caller',
]

/** The coalescing report for people. */
export function coalescingTable({ rows, tokensPerSecond, answerTokens }: CoalescingReport): string {
  const line = (cells: readonly unknown[]) => cells.map((cell) => String(cell).padStart(15)).join('')
  return [
    `equal calls at one moment, half of them streaming; answers of ${answerTokens} tokens at ${tokensPerSecond} tokens/s; gateways share one core`,
    line(HEADS),
    ...rows.map((row) =>
      line([
        row.replicas,
        row.callers,
        row.coalescing ? 'on' : 'off',
        row.upstreamCalls,
        row.bursts,
        row.equalContents ? 'yes' : 'NO',
        row.p50Ms,
        row.p99Ms,
        row.cpuUsPerCaller,
      ]),
    ),
  ].join('\n')
}
