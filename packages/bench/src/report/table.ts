import type { Figures } from './figures.ts'
import type { Ratio } from './ratios.ts'
import type { GatewayReport } from './report.ts'

/** Below this share of its core a target was waiting for the load generator or the mock. */
const LIMIT = 0.9

const HEADS = ['core', 'p50 us', 'p99 us', 'Loopgate rate', 'Loopgate CPU']

/** The report for people: one table a case, then what could not be measured and what each target is. */
export function table(report: GatewayReport): string {
  const { machine, settings } = report
  const lines = [
    `${machine.cpu}, Node ${machine.node}; medians of ${settings.repeats} stretches of ${settings.seconds} s after ${settings.warmupSeconds} s of warm-up`,
  ]
  for (const { name, title } of report.cases) {
    const rows = report.rows.filter((figures) => figures.case === name)
    const unit = rows[0]?.unit ?? 'request'
    lines.push('', `${name}: ${title}`, line(['', `${unit}s/s`, `CPU us/${unit}`, ...HEADS]))
    for (const figures of rows) {
      lines.push(
        line(
          cells(
            figures,
            report.ratios.find((ratio) => ratio.case === name && ratio.against === figures.target),
          ),
        ),
      )
    }
  }
  lines.push(
    '',
    "Loopgate rate and CPU: Loopgate's requests (chunks) a second, and CPU time for each, over the other's",
    '* the target did not fill its core, so the load side was the limit: compare CPU time',
    ...report.unavailable.map((row) => `${row.case}: ${row.target} was not measured: ${row.unavailable}`),
    ...new Set(report.rows.map(({ target, label }) => `${target}: ${label}`)),
  )
  return lines.join('\n')
}

function cells(figures: Figures, ratio: Ratio | undefined): string[] {
  return [
    figures.target,
    `${figures.perSecond}${figures.utilisation < LIMIT ? '*' : ''}`,
    String(figures.cpuUsPerUnit),
    `${Math.round(figures.utilisation * 100)} %`,
    String(figures.p50Us ?? ''),
    String(figures.p99Us ?? ''),
    ratio ? `${ratio.perSecond}x` : '',
    ratio ? `${ratio.cpuUsPerUnit}x` : '',
  ]
}

function line(values: readonly string[]): string {
  return values.map((value, index) => (index === 0 ? value.padEnd(18) : value.padStart(16))).join('')
}
