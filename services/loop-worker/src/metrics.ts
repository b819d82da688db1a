import type { Verdict } from '@loopgate/contracts'
import { Counter, Gauge, Histogram, SECONDS_BUCKETS, type Registry } from '@loopgate/service-kit'

export type SliceOutcome = 'done' | 'yield' | 'lost' | 'thrown'

export type WorkerMetrics = {
  readonly sliceStarted: () => void
  readonly sliceEnded: (outcome: SliceOutcome, seconds: number) => void
  readonly judged: (verdict: Verdict) => void
  readonly fault: (stage: 'generate' | 'execute', code: string) => void
  /** What became of a verdict that was to be written to the cache. */
  readonly verdict: (result: 'written' | 'not_stored' | 'failed' | 'dropped') => void
}

/**
 * What this worker did since it started. The totals of the installation, `loopgate_loop_*`, are the
 * gateway's, from Redis: the same name here would count everything twice.
 */
export function createWorkerMetrics(registry: Registry): WorkerMetrics {
  const registers = [registry]
  const active = new Gauge({ name: 'loopgate_worker_slices_active', help: 'Slices running now', registers })
  const slices = new Histogram({
    name: 'loopgate_worker_slice_seconds',
    help: 'Slices by how they ended: done, yield, lost (another worker has the loop), thrown',
    labelNames: ['end'],
    buckets: SECONDS_BUCKETS,
    registers,
  })
  const iterations = new Counter({
    name: 'loopgate_worker_iterations_total',
    help: 'Iterations that this worker committed',
    labelNames: ['verdict'],
    registers,
  })
  const faults = new Counter({
    name: 'loopgate_worker_faults_total',
    help: 'Calls that failed without the fault of a candidate',
    labelNames: ['stage', 'code'],
    registers,
  })
  const verdicts = new Counter({
    name: 'loopgate_worker_verdicts_total',
    help: 'Verdicts for the cache: written, not_stored (no such answer), failed, or dropped for want of time',
    labelNames: ['result'],
    registers,
  })
  return {
    sliceStarted: () => active.inc(),
    sliceEnded: (end, seconds) => {
      active.dec()
      slices.observe({ end }, seconds)
    },
    judged: (verdict) => iterations.inc({ verdict }),
    fault: (stage, code) => faults.inc({ stage, code }),
    verdict: (result) => verdicts.inc({ result }),
  }
}
