import { readText, readYaml } from './read.ts'

export type Panel = {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}

/** Every panel of the dashboard, rows included. */
export function panels(): readonly Panel[] {
  return (JSON.parse(readText('deploy/grafana/dashboards/loopgate.json')) as { panels: Panel[] }).panels
}

/** The queries of the dashboard with Grafana's variables filled in. */
export function panelQueries(): string[] {
  return panels().flatMap(({ targets }) => targets?.map(({ expr }) => expr.replaceAll('$__rate_interval', '1m')) ?? [])
}

type Rules = {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string; readonly expr: string }> }>
}

/** The alerts by name. */
export function alerts(): ReadonlyMap<string, string> {
  const { groups } = readYaml('deploy/prometheus/loopgate.rules.yml') as Rules
  return new Map(groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr] as const)))
}

/** Metrics that the query names; the parts of a histogram count as the histogram. */
export function metricsOf(query: string): string[] {
  return (query.match(/\b(?:loopgate|nodejs|process)_\w+/g) ?? []).map((name) =>
    name.replace(/_(?:bucket|sum|count)$/, ''),
  )
}
