import { createFamilyMaker } from '@loopgate/cache-key'
import type { Upstream } from '@loopgate/cerebras'
import type { Clock, Logger, Registry, Secret } from '@loopgate/service-kit'
import { createConnection } from './cache/connection.ts'
import { createMemory } from './cache/memory.ts'
import { installationSecret } from './cache/secret.ts'
import { createStore } from './cache/store.ts'
import { createCoalescer } from './flight/coalescer.ts'
import { createMetrics } from './metrics.ts'
import { createPipeline } from './pipeline/pipeline.ts'
import { createRecall } from './pipeline/recall.ts'
import type { GenerationCall, Ticket } from './types.ts'

export type GenerationsDeps = {
  readonly upstream: Upstream
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export type GenerationsOptions = {
  /** Redis of the shared cache; null for none. */
  readonly redisUrl: string | null
  readonly keyPrefix: string
  /** Secret of the installation; by default the one that the first replica put into Redis. */
  readonly secret?: Secret
  readonly ttlSeconds: number
  /** Size of the in-process cache; 0 for none. */
  readonly memoryBytes: number
  /** An answer above this is passed on but can neither be joined late nor kept. */
  readonly flightBytes?: number
  /** For tests: a number from 0 to 1, spreads lifetimes. */
  readonly random?: () => number
}

export type Generations = {
  /** Answers a call from the cache, a flight under way, or the upstream. Never throws; see `Ticket`. */
  readonly generate: (call: GenerationCall) => Ticket
  /** Resolves once the secret that keys are made with is known, a second after the start at most. */
  readonly ready: () => Promise<void>
  /** State of the shared cache: `none`, `up`, or `down` while it is bypassed. */
  readonly cacheStatus: () => 'none' | 'up' | 'down'
  readonly close: () => Promise<void>
}

/** 131,072 tokens in chunks of one token take about 30 MB; the 40,960 that models give, 10 MB. */
const FLIGHT_BYTES = 16 * 1024 * 1024

/** Makes the generations of a gateway replica: cache, coalescer and the way to the upstream. */
export function createGenerations(deps: GenerationsDeps, options: GenerationsOptions): Generations {
  const { clock, logger, registry } = deps
  const { keyPrefix: prefix, redisUrl, memoryBytes, random = Math.random } = options
  const ttlMs = options.ttlSeconds * 1000
  const connection = redisUrl === null ? null : createConnection({ clock, logger }, redisUrl)
  const store = connection === null ? null : createStore({ connection, logger }, { prefix, ttlMs, random })
  const memory = createMemory(memoryBytes, ttlMs, clock.wallNow)
  const cacheStatus = () => connection?.status() ?? 'none'
  const metrics = createMetrics(registry, {
    flights: () => pipeline.flights(),
    memoryBytes: () => memory.bytes,
    sharedCacheUp: () => cacheStatus() === 'up',
  })
  const keyMaker = installationSecret({ connection, logger }, { secret: options.secret, prefix }).then(
    createFamilyMaker,
  )
  const pipeline = createPipeline(
    {
      ...deps,
      keyMaker,
      memory,
      store,
      metrics,
      recall: createRecall({ memory, store, metrics, wallNow: clock.wallNow }),
      coalescer: createCoalescer(),
    },
    { capBytes: options.flightBytes ?? FLIGHT_BYTES },
  )

  return {
    generate: pipeline.generate,
    async ready() {
      await keyMaker
    },
    cacheStatus,
    async close() {
      connection?.close()
    },
  }
}
