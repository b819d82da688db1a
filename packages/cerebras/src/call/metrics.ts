import { createTally, Histogram, type Registry, SECONDS_BUCKETS } from '@loopgate/service-kit'

/** Models beyond this many share the label `other`. */
const MAX_MODELS = 100

export type UpstreamMetrics = {
  /** Counts one call that ended; `status` is an HTTP status, `aborted` or a code of a fault. */
  readonly called: (model: string, status: string, seconds: number) => void
}

/**
 * Metrics of upstream calls. A model becomes a label once the upstream has answered for it with
 * success, so no caller can invent labels.
 */
export function createUpstreamMetrics(registry: Registry): UpstreamMetrics {
  const requests = createTally(registry, {
    name: 'loopgate_upstream_requests_total',
    help: 'Calls of the upstream that ended, by model and HTTP status, code of the fault, or aborted',
    labelNames: ['model', 'status'],
  })
  const duration = new Histogram({
    name: 'loopgate_upstream_seconds',
    help: 'Duration of upstream calls from the call to the end of the reply',
    buckets: SECONDS_BUCKETS,
    registers: [registry],
  })
  const known = new Set<string>()

  return {
    called(model, status, seconds) {
      if (status.startsWith('2') && known.size < MAX_MODELS) known.add(model)
      requests.add(1, known.has(model) ? model : 'other', status)
      duration.observe(seconds)
    },
  }
}
