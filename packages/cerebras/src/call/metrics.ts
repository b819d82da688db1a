import { createTally, Gauge, Histogram, type Registry, SECONDS_BUCKETS } from '@loopgate/service-kit'

/** Models beyond this many share the label `other`. */
const MAX_MODELS = 100

export type UpstreamMetrics = {
  /** Counts one call that ended; `status` is an HTTP status, `aborted` or a code of a fault. */
  readonly called: (model: string, status: string, seconds: number) => void
  /** The same by whose key it was; `result` is `ok`, `aborted` or the kind of the fault. */
  readonly answered: (upstream: string, organisation: string, result: string) => void
  /** A key of this organisation is left alone for a while. */
  readonly ejected: (upstream: string, organisation: string) => void
  readonly breaker: (upstream: string, open: boolean) => void
}

/**
 * Metrics of upstream calls. A model becomes a label once the upstream has answered for it with
 * success, so no caller can invent labels; upstreams and organisations are configured.
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
  const answers = createTally(registry, {
    name: 'loopgate_upstream_answers_total',
    help: 'Calls that ended, by upstream, organisation and result: ok, aborted, or the kind of the fault',
    labelNames: ['upstream', 'organisation', 'result'],
  })
  const ejections = createTally(registry, {
    name: 'loopgate_upstream_ejections_total',
    help: 'How often a key of an organisation was left alone for a while since it was refused or failed in a row',
    labelNames: ['upstream', 'organisation'],
  })
  const breakers = new Gauge({
    name: 'loopgate_upstream_breaker_open',
    help: '1 while an upstream is not called but for probes, since nearly everything there fails',
    labelNames: ['upstream'],
    registers: [registry],
  })
  const known = new Set<string>()

  return {
    called(model, status, seconds) {
      if (status.startsWith('2') && known.size < MAX_MODELS) known.add(model)
      requests.add(1, known.has(model) ? model : 'other', status)
      duration.observe(seconds)
    },
    answered: (upstream, organisation, result) => answers.add(1, upstream, organisation, result),
    ejected: (upstream, organisation) => ejections.add(1, upstream, organisation),
    breaker: (upstream, open) => breakers.set({ upstream }, open ? 1 : 0),
  }
}
