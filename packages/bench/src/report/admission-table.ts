import type { AdmissionReport } from '../scenarios/admission.ts'

const HEADS = [
  'debited',
  'who',
  'completions',
  'a minute',
  '429s seen',
  'failed',
  'p50 ms',
  'p99 ms',
  'requests',
  'tokens',
]

/** The admission report for people. */
export function admissionTable({ loops, minutes, timesFaster, rows }: AdmissionReport): string {
  const line = (cells: readonly unknown[]) => cells.map((cell) => String(cell).padStart(13)).join('')
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
  return [
    `${loops} loops, recorded completions, 1,000 requests and 1 M tokens a minute, ${minutes} simulated minutes ` +
      `(all clocks ${timesFaster} times as fast); requests and tokens: part used of what the buckets had`,
    line(HEADS),
    ...rows.map((row) =>
      line([
        row.refund ? 'what is used' : 'all reserved',
        row.who,
        row.completions,
        row.perMinute,
        row.refusals,
        row.failures,
        row.p50Ms,
        row.p99Ms,
        percent(row.requestsUsed),
        percent(row.tokensUsed),
      ]),
    ),
  ].join('\n')
}
