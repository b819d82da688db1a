import type { Registry } from '@loopgate/service-kit'
import { GENERATED, table } from './markdown.ts'

type Described = { readonly name: string; readonly help: string; readonly type: string; readonly labelNames?: string[] }

/** `docs/metrics.md`: every metric of the gateway, as its registry describes them. */
export function metricsPage(registry: Registry): string {
  // The type is not in prom-client's public typing of a metric, but in every metric.
  const metrics = registry.getMetricsAsArray() as unknown as Described[]
  const rows = metrics
    .filter(({ name }) => name.startsWith('loopgate_'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames = [], help }) => [
      `\`${name}\``,
      type,
      labelNames.map((label) => `\`${label}\``).join(' '),
      help,
    ])
  return `# Metrics of the gateway

${GENERATED}

\`GET /metrics\` gives them in the Prometheus text format, without a key, beside the usual \`process_*\` and \`nodejs_*\`.
Every label has a bound: route templates, codes of a table, configured tenants, models that the upstream offers; never
what a caller wrote. Durations are in seconds, sizes in bytes. The loop worker has a page of its own.

${table(['metric', 'type', 'labels', 'meaning'], rows)}
`
}
