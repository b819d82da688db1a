import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/**
 * Buckets of durations in seconds. A 1,000-token answer of Cerebras takes about 0.4 s and a cache
 * hit well under a millisecond, so the resolution lies below one second.
 */
export const SECONDS_BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
]

/**
 * A registry of its own for one process or one test, with the metrics of the Node process.
 * `nodejs_active_*_total` are left out: promtool's lint rightly calls them misnamed gauges.
 */
export function createRegistry({ processMetrics = true }: { processMetrics?: boolean } = {}): Registry {
  const registry = new Registry()
  if (processMetrics) {
    collectDefaultMetrics({ register: registry })
    for (const name of [
      'nodejs_active_handles_total',
      'nodejs_active_requests_total',
      'nodejs_active_resources_total',
    ]) {
      registry.removeSingleMetric(name)
    }
  }
  return registry
}

/** A gauge that is read when somebody scrapes; `read` sets all series that there are, and others are gone. */
export function observeGauge(
  registry: Registry,
  { name, help, labelNames = [] }: { name: string; help: string; labelNames?: readonly string[] },
  read: (gauge: Gauge) => void | Promise<void>,
): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [],
      collect() {
        if (labelNames.length > 0) this.reset()
        return read(this)
      },
    }),
  )
}
