import type { CacheOutcome, Usage } from '@loopgate/contracts'
import {
  createTally,
  type ErrorCode,
  Histogram,
  observeGauge,
  type Registry,
  SECONDS_BUCKETS,
} from '@loopgate/service-kit'

/** Who bore the tokens of an answer: the upstream was paid, or nobody was. */
type TokenSource = 'upstream' | 'saved'

export type Metrics = {
  /** One answer, or one call that got none, by how it was come by. */
  readonly answered: (outcome: CacheOutcome) => void
  /** How a caller's answer ended. */
  readonly ended: (code: ErrorCode | null) => void
  readonly began: (seconds: number) => void
  readonly tokens: (tenant: string, source: TokenSource, usage: Usage | null) => void
  readonly recalled: (tier: 'memory' | 'redis', found: boolean) => void
  /** What a claim among the replicas came to; `none` while Redis is away. */
  readonly claimed: (result: 'hit' | 'lead' | 'follow' | 'spent' | 'none') => void
  /** A flight followed here has lost its leader. */
  readonly leaderLost: () => void
  /** Of those who waited for a call that failed before its first byte, one here tries again. */
  readonly succeeded: () => void
}

/** Metrics of this package. Every label has a bound: outcomes, codes of the error table, configured tenants. */
export function createMetrics(
  registry: Registry,
  read: {
    flights: () => number
    memoryBytes: () => number
    sharedCacheUp: () => boolean
    peers: () => number
  },
): Metrics {
  const registers = [registry]
  const generations = createTally(registry, {
    name: 'loopgate_generations_total',
    help: 'Calls by where their answer came from: hit, miss, coalesced or bypass',
    labelNames: ['outcome'],
  })
  const results = createTally(registry, {
    name: 'loopgate_generation_results_total',
    help: 'Calls by how they ended: ok, client_closed, or the fault in lower case',
    labelNames: ['result'],
  })
  const ttft = new Histogram({
    name: 'loopgate_ttft_seconds',
    help: 'From the call to the first bytes of its stream',
    buckets: SECONDS_BUCKETS,
    registers,
  })
  const tokens = createTally(registry, {
    name: 'loopgate_tokens_total',
    help: 'Tokens of answers by tenant; source upstream was paid for, saved came from a flight or the cache',
    labelNames: ['tenant', 'source', 'kind'],
  })
  const lookups = createTally(registry, {
    name: 'loopgate_cache_lookups_total',
    help: 'Looks into the cache by tier (memory, redis) and whether an answer was there',
    labelNames: ['tier', 'result'],
  })
  const claims = createTally(registry, {
    name: 'loopgate_claims_total',
    help: 'Questions to Redis who gives an answer: hit (stored), lead, follow another replica, spent (its one successor has failed too), or none (Redis away)',
    labelNames: ['result'],
  })
  const lost = createTally(registry, {
    name: 'loopgate_leaders_lost_total',
    help: 'Flights followed here whose leading replica went away before their end',
    labelNames: [],
  })
  const successions = createTally(registry, {
    name: 'loopgate_successions_total',
    help: 'Upstream calls made by one of those who had waited for a call that failed before its first byte',
    labelNames: [],
  })
  gauge('loopgate_flights', 'Generations in progress on this replica', read.flights)
  gauge('loopgate_replica_peers', 'Other gateway replicas that live, as this one knows', read.peers)
  gauge('loopgate_cache_memory_bytes', 'Size of the in-process cache', read.memoryBytes)
  gauge('loopgate_cache_redis_up', '1 while the cache in Redis is used, 0 while it is bypassed', () =>
    read.sharedCacheUp() ? 1 : 0,
  )

  return {
    answered: (outcome) => generations.add(1, outcome),
    ended: (code) => results.add(1, code === null ? 'ok' : code.slice('LG_'.length).toLowerCase()),
    began: (seconds) => ttft.observe(seconds),
    tokens(tenant, source, usage) {
      if (usage === null) return
      tokens.add(usage.prompt_tokens, tenant, source, 'prompt')
      tokens.add(usage.completion_tokens, tenant, source, 'completion')
    },
    claimed: (result) => claims.add(1, result),
    leaderLost: () => lost.add(1),
    succeeded: () => successions.add(1),
    recalled: (tier, found) => lookups.add(1, tier, found ? 'hit' : 'miss'),
  }

  function gauge(name: string, help: string, value: () => number): void {
    observeGauge(registry, { name, help }, (made) => made.set(value()))
  }
}
