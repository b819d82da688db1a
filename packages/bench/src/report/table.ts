import type { GatewayReport } from './report.ts'

/** The report for people: one table a case, then the rows that could not be measured. */
export function table(report: GatewayReport): string {
  const { machine, settings } = report
  const lines = [
    `${machine.cpu}, Node ${machine.node}; medians of ${settings.repeats} stretches of ${settings.seconds} s after ${settings.warmupSeconds} s of warm-up`,
  ]
  for (const { name, title } of report.cases) {
    const rows = report.rows.filter((row) => row.case === name)
    const unit = rows[0]?.unit ?? 'request'
    lines.push(
      '',
      `${name}: ${title}`,
      row(['', `${unit}s/s`, `CPU us/${unit}`, 'core', 'p50 us', 'p99 us', 'Loopgate is']),
    )
    for (const figures of rows) {
      const ratio = report.ratios.find((other) => other.case === name && other.against === figures.target)
      const noise = figures.utilisation < LIMIT ? '*' : ''
      lines.push(
        row([
          figures.target,
          `${figures.perSecond}${noise}`,
          String(figures.cpuUsPerUnit),
          `${Math.round(figures.utilisation * 100)} %`,
          String(figures.p50Us ?? ''),
          String(figures.p99Us ?? ''),
          ratio ? `${ratio.perSecond}x as fast, ${ratio.cpu}x as cheap` : '',
        ]),
      )
    }
  }
  lines.push('', '* the target did not fill its core, so the load side was the limit: compare CPU time')
  for (const { case: name, target, unavailable } of report.unavailable) {
    lines.push(`${name}: ${target} was not measured: ${unavailable}`)
  }
  for (const label of new Set(report.rows.map((figures) => `${figures.target}: ${figures.label}`))) lines.push(label)
  return lines.join('\n')
}

/** Below this share of its core a target was waiting for the load generator or the mock. */
const LIMIT = 0.9

function row(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(18) : cell.padStart(14))).join('')
}
