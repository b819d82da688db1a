import type { Priority } from '@loopgate/contracts'
import { createTally, Histogram, observeGauge, type Registry, SECONDS_BUCKETS } from '@loopgate/service-kit'
import { type Amounts, CURRENCIES } from './buckets/amounts.ts'
import type { Bucket } from './buckets/bucket.ts'
import { WINDOWS } from './buckets/windows.ts'
import type { Desk } from './desk.ts'
import { PRIORITIES } from './queue/types.ts'

/** A model is a label only once its limits are known, which the provider names: callers invent none. */
const labelOf = ({ known, model }: Pick<Bucket, 'known' | 'model'>): string => (known ? model : 'other')

/** What a learnt cap has changed, in output tokens. */
type CapUse = {
  readonly reserved: number
  readonly used: number
  /** Less reserved than without the cap. */
  readonly saved: number
}

export type SchedulerMetrics = {
  readonly waited: (priority: Priority, ms: number) => void
  readonly refused: (priority: Priority, reason: 'full' | 'deadline') => void
  readonly paused: (bucket: Bucket, reason: string) => void
  readonly used: (bucket: Bucket, used: Amounts) => void
  /** A call that failed is made again. */
  readonly again: (organisation: string, reason: string) => void
  readonly output: (tenant: string, use: CapUse) => void
  readonly reissued: (tenant: string) => void
}

/** Metrics of queue, buckets and caps; read from the desks when they are asked for. */
export function createSchedulerMetrics(registry: Registry, desks: () => Iterable<Desk>): SchedulerMetrics {
  const wait = new Histogram({
    name: 'loopgate_queue_wait_seconds',
    help: 'How long those waited that had to wait for room in the buckets of the provider, by class',
    labelNames: ['class'],
    buckets: SECONDS_BUCKETS,
    registers: [registry],
  })
  const refused = createTally(registry, {
    name: 'loopgate_queue_refused_total',
    help: 'Generations refused with 429: the queue was full, or their deadline could not be met',
    labelNames: ['class', 'reason'],
  })
  const pauses = createTally(registry, {
    name: 'loopgate_bucket_pauses_total',
    help: 'Pauses of an organisation for a model after the provider has refused a call, by reason',
    labelNames: ['organisation', 'model', 'reason'],
  })
  const used = createTally(registry, {
    name: 'loopgate_bucket_used_total',
    help: 'What this replica has used of the buckets: requests, tokens without cached ones, all tokens',
    labelNames: ['organisation', 'model', 'unit'],
  })
  const again = createTally(registry, {
    name: 'loopgate_generation_retries_total',
    help: 'Upstream calls made again after a fault, by the organisation that failed and the reason',
    labelNames: ['organisation', 'reason'],
  })
  const output = createTally(registry, {
    name: 'loopgate_output_tokens_total',
    help: 'Output tokens by tenant: reserved, used, and saved (not reserved thanks to a learnt cap)',
    labelNames: ['tenant', 'kind'],
  })
  const reissued = createTally(registry, {
    name: 'loopgate_output_reissued_total',
    help: 'Answers that a learnt cap cut off and that were generated once more without it',
    labelNames: ['tenant'],
  })
  const depth = { name: 'loopgate_queue_depth', help: 'Generations that wait for room in the buckets of the provider' }
  observeGauge(registry, { ...depth, labelNames: ['class'] }, (made) => {
    for (const priority of PRIORITIES) {
      let waiting = 0
      for (const { queue } of desks()) waiting += queue.sizeOf(priority)
      made.set({ class: priority }, waiting)
    }
  })
  observeGauge(registry, { name: 'loopgate_queue_bytes', help: 'Bodies of the generations that wait' }, (made) => {
    let bytes = 0
    for (const { queue } of desks()) bytes += queue.bytes
    made.set(bytes)
  })
  buckets('loopgate_bucket_level', 'What is believed to be left in a bucket of the provider', ({ level }) => level)
  buckets('loopgate_bucket_limit', 'Size of a bucket of the provider', ({ capacity }) => capacity)
  each('loopgate_bucket_in_flight_tokens', 'Tokens reserved by calls under way', ({ inFlight }) => inFlight.totalTokens)
  each('loopgate_bucket_paused', '1 while nothing is sent to an organisation for a model', (bucket) =>
    bucket.paused ? 1 : 0,
  )

  return {
    waited: (priority, ms) => wait.observe({ class: priority }, ms / 1000),
    refused: (priority, reason) => refused.add(1, priority, reason),
    paused: (bucket, reason) => pauses.add(1, bucket.organisation, labelOf(bucket), reason),
    used(bucket, amounts) {
      for (const unit of CURRENCIES) used.add(amounts[unit], bucket.organisation, labelOf(bucket), UNITS[unit])
    },
    again: (organisation, reason) => again.add(1, organisation, reason),
    output(tenant, use) {
      for (const kind of ['reserved', 'used', 'saved'] as const) output.add(use[kind], tenant, kind)
    },
    reissued: (tenant) => reissued.add(1, tenant),
  }

  function each(name: string, help: string, value: (bucket: Bucket) => number): void {
    observeGauge(registry, { name, help, labelNames: ['organisation', 'model'] }, (made) => {
      for (const desk of desks()) {
        for (const bucket of desk.buckets) {
          if (bucket.known) made.set({ organisation: bucket.organisation, model: bucket.model }, value(bucket))
        }
      }
    })
  }

  function buckets(name: string, help: string, value: (level: { capacity: number; level: number }) => number): void {
    observeGauge(registry, { name, help, labelNames: ['organisation', 'model', 'window'] }, (made) => {
      for (const desk of desks()) {
        for (const bucket of desk.buckets) {
          const { levels, organisation, model } = bucket
          WINDOWS.forEach(({ name: window }, index) => {
            const level = levels.at(index)
            if (level !== null) made.set({ organisation, model, window }, value(level))
          })
        }
      }
    })
  }
}

const UNITS = { requests: 'requests', tokens: 'tokens', totalTokens: 'all_tokens' } as const
