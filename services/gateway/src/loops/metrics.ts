import type { LoopStats, LoopStore } from '@loopgate/loop-store'
import { type Clock, Counter, type Logger, type Registry } from '@loopgate/service-kit'

/** Longest wait of a scrape for Redis, which answers within a few ms unless it is in trouble. */
const PATIENCE_MS = 200

type Series = { readonly labels: Readonly<Record<string, string>>; readonly value: number }

/**
 * Totals of loops as the store keeps them, read when somebody scrapes: workers commit iterations,
 * and the gateway is where metrics are looked for. Every replica shows the same totals. While Redis is
 * slow or away the latest known ones stand, and no scrape waits for it.
 */
export function observeLoops(
  registry: Registry,
  { store, clock, logger }: { store: Pick<LoopStore, 'stats'>; clock: Clock; logger: Logger },
): void {
  let known: LoopStats | null = null
  let reading: Promise<unknown> | null = null
  let failing = false

  // One read serves all metrics of a scrape, and all scrapes that come while it is under way: whoever
  // comes when it has been waited for already goes on at once.
  const refresh = async (): Promise<void> => {
    if (reading === null) {
      const { promise: patience, resolve: lose } = Promise.withResolvers<void>()
      const cancel = clock.after(PATIENCE_MS, lose)
      const done = read().finally(() => {
        cancel()
        reading = null
      })
      reading = Promise.race([done, patience])
    }
    if (!failing) await reading
  }
  const read = async (): Promise<void> => {
    try {
      known = await store.stats()
      failing = false
    } catch (err) {
      if (!failing) logger.warn({ err }, 'totals of loops cannot be read; metrics show the latest known')
      failing = true
    }
  }

  const total = (name: string, help: string, labelNames: string[], series: (stats: LoopStats) => Series[]): void => {
    registry.registerMetric(
      new Counter({
        name,
        help: `${help}. Total of the installation, the same on every replica: aggregate with max, not sum`,
        labelNames,
        registers: [],
        async collect() {
          await refresh()
          if (known === null) return
          this.reset()
          for (const { labels, value } of series(known)) this.inc(labels, value)
        },
      }),
    )
  }
  const by =
    (label: string, pick: (stats: LoopStats) => Readonly<Record<string, number>>) =>
    (stats: LoopStats): Series[] =>
      Object.entries(pick(stats)).map(([key, value]) => ({ labels: { [label]: key }, value }))
  const plain =
    (pick: (stats: LoopStats) => number) =>
    (stats: LoopStats): Series[] => [{ labels: {}, value: pick(stats) }]

  total(
    'loopgate_loop_iterations_total',
    'Judged iterations',
    ['verdict'],
    by('verdict', (s) => s.iterationsByVerdict),
  )
  total(
    'loopgate_loops_total',
    'Loops that entered the state',
    ['state'],
    by('state', (s) => s.loopsByState),
  )
  total(
    'loopgate_loop_duplicates_total',
    'Candidates seen before',
    [],
    plain((s) => s.duplicates),
  )
  total(
    'loopgate_loop_executions_total',
    'Candidates executed',
    [],
    plain((s) => s.executions),
  )
  total(
    'loopgate_loop_tokens_total',
    'Tokens that loops used',
    [],
    plain((s) => s.tokens),
  )
}
