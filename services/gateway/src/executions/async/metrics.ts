import type { AsyncState } from '@loopgate/contracts'
import { Counter, observeGauge, type Registry } from '@loopgate/service-kit'

type End = Extract<AsyncState, 'ended' | 'failed' | 'cancelled'>
const ENDS: readonly End[] = ['ended', 'failed', 'cancelled']

export type AsyncMetrics = {
  readonly ended: (state: End) => void
  /** Says what the gauges read when somebody scrapes. */
  readonly observe: (running: () => number, queued: () => Promise<number>) => void
}

export function createAsyncMetrics(registry: Registry): AsyncMetrics {
  const ends = new Counter({
    name: 'loopgate_async_executions_total',
    help: 'Asynchronous executions whose end this replica wrote, by state',
    labelNames: ['state'],
    registers: [registry],
  })
  for (const state of ENDS) ends.inc({ state }, 0)
  return {
    ended: (state) => ends.inc({ state }),
    observe(running, queued) {
      const mine = {
        name: 'loopgate_async_executions_running',
        help: 'Asynchronous executions that this replica has taken up',
      }
      observeGauge(registry, mine, (gauge) => gauge.set(running()))
      const all = {
        name: 'loopgate_async_executions_queued',
        help: 'Asynchronous executions in the queue, those taken up included. Of the installation, the same on every replica: aggregate with max, not sum',
      }
      // While Redis is away the latest known number stands.
      observeGauge(registry, all, (gauge) =>
        queued().then(
          (count) => gauge.set(count),
          () => {},
        ),
      )
    },
  }
}
