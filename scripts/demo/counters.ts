import type { Client } from '@loopgate/client'
import { cacheOutcomeSchema, outcomeSchema } from '@loopgate/contracts'

/** What the demo shows of the gateway's own /metrics; every figure is the growth since `zero`. */
export type Counters = {
  readonly iterations: number
  readonly duplicatesSkipped: number
  readonly upstreamCalls: number
  readonly generations: Readonly<Record<'hit' | 'miss' | 'coalesced' | 'bypass', number>>
  readonly executions: Readonly<Record<string, number>>
}

/** Reads the counters of the gateway once. */
export async function readCounters(client: Client): Promise<Counters> {
  const { sum } = await client.metrics()
  const byOutcome = <T extends string>(name: string, outcomes: readonly T[]) =>
    Object.fromEntries(outcomes.map((outcome) => [outcome, sum(name, { outcome })])) as Record<T, number>
  return {
    iterations: sum('loopgate_loop_iterations_total'),
    duplicatesSkipped: sum('loopgate_loop_duplicates_total'),
    upstreamCalls: sum('loopgate_upstream_requests_total'),
    generations: byOutcome('loopgate_generations_total', cacheOutcomeSchema.options),
    executions: byOutcome('loopgate_executions_total', outcomeSchema.options),
  }
}

/** Growth from one reading to a later one. */
export function growth(from: Counters, to: Counters): Counters {
  const minus = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(a).map(([name, value]) => [name, value - (b[name] ?? 0)]))
  return {
    iterations: to.iterations - from.iterations,
    duplicatesSkipped: to.duplicatesSkipped - from.duplicatesSkipped,
    upstreamCalls: to.upstreamCalls - from.upstreamCalls,
    generations: minus(to.generations, from.generations) as Counters['generations'],
    executions: minus(to.executions, from.executions),
  }
}

export const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, value) => sum + value, 0)
