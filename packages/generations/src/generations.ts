import { createFamilyMaker } from '@loopgate/cache-key'
import { createRetries, type Peers, type Upstream } from '@loopgate/cerebras'
import type { Clock, Logger, Registry, Secret } from '@loopgate/service-kit'
import { createConnection } from './cache/connection.ts'
import { createAdministration, type Administration } from './cache/administration.ts'
import { createFamilies } from './cache/families.ts'
import { createIdempotency } from './cache/idempotency.ts'
import { createNamespaces } from './cache/namespaces.ts'
import { createStatistics } from './cache/statistics.ts'
import { createMemory } from './cache/memory.ts'
import { installationSecret } from './cache/secret.ts'
import { createStore } from './cache/store.ts'
import { createWriter } from './cache/writer.ts'
import { createCoalescer } from './flight/coalescer.ts'
import { createMetrics } from './metrics.ts'
import { createIdentify, type Identify } from './pipeline/identify.ts'
import { createPipeline } from './pipeline/pipeline.ts'
import { createRecall } from './pipeline/recall.ts'
import type { Replica } from './replicas/registry.ts'
import { createReplicas, type PeerRequest } from './replicas/replicas.ts'
import type { Limits } from './schedule/buckets/windows.ts'
import { createCaps } from './schedule/caps/caps.ts'
import { createScheduler } from './schedule/scheduler.ts'
import type { GenerationCall, Sink, Ticket } from './types.ts'

export type GenerationsDeps = {
  readonly upstream: Upstream
  /** The way to other replicas; closed with the generations. */
  readonly peers: Peers
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export type GenerationsOptions = {
  /** Redis of the shared cache; null for none. */
  readonly redisUrl: string | null
  readonly keyPrefix: string
  /** Longest wait for a command of Redis, in ms; beyond it a call goes on without. */
  readonly redisTimeoutMs?: number
  /** Secret of the installation; by default the one that the first replica put into Redis. */
  readonly secret?: Secret
  readonly ttlSeconds: number
  /** Whether callers may share their answers with other tenants, if they ask for it. */
  readonly allowShared?: boolean
  /** Size of the in-process cache; 0 for none. */
  readonly memoryBytes: number
  /** An answer above this is passed on but can neither be joined late nor kept. */
  readonly flightBytes?: number
  /** Name of this replica among the others. */
  readonly replicaId: string
  /** After this long without a heartbeat a replica counts as gone. */
  readonly replicaTtlMs?: number
  /** Told whenever other replicas have come or gone. */
  readonly onPeers?: (peers: readonly Replica[]) => void
  /** For tests: how long a leader keeps its lead without renewing it. */
  readonly leaseMs?: number
  /** What is configured of scheduling. */
  readonly scheduling?: Partial<SchedulingOptions>
  /** For tests: a number from 0 to 1, spreads lifetimes. */
  readonly random?: () => number
}

/** How generations wait for the upstream. */
export type SchedulingOptions = {
  /** Limits of the provider by organisation and model before any reply has named them; `*` is any of either. */
  readonly limits: Readonly<Record<string, Readonly<Record<string, Limits>>>>
  /** How long a generation may wait if its caller does not say. */
  readonly deadlineMs: number
  /** Those who may wait on this replica, and what their bodies may take. */
  readonly maxRequests: number
  readonly maxBytes: number
  /** Upstream calls that one generation may take where the upstream fails, waits for room not counted. */
  readonly maxTries: number
  readonly outputCaps: boolean
  readonly serviceTiers: boolean
}

export type Generations = {
  /** Answers a call from the cache, a flight under way, or the upstream. Never throws; see `Ticket`. */
  readonly generate: (call: GenerationCall) => Ticket
  /** Resolves once the secret that keys are made with is known, a second after the start at most. */
  readonly ready: () => Promise<void>
  /** Looks into the cache and clears it, for people and evaluators. */
  readonly cache: Administration
  /**
   * Enters this replica at the address where others reach it; before that it leads for itself.
   * Resolves after the first heartbeat.
   */
  readonly announce: (address: string) => Promise<void>
  /**
   * Gives a flight that is led here to another replica. Null if it may not have it or there is none;
   * else what to call when the other has gone. Writing to the sink begins at once.
   */
  readonly serve: (request: PeerRequest, sink: Sink) => Promise<(() => void) | null>
  /** Replicas that live, this one included, as it knows them. */
  readonly replicas: () => number
  /** State of the shared cache: `none`, `up`, or `down` while it is bypassed. */
  readonly cacheStatus: () => 'none' | 'up' | 'down'
  readonly close: () => Promise<void>
}

/**
 * Longest wait for a command. A reply takes well under a millisecond; a request that waits longer
 * for its cache than for its answer is better off without.
 */
const REDIS_TIMEOUT_MS = 150
const REPLICA_TTL_MS = 6000
/** How long closing waits for answers that are on their way into Redis. */
const FLUSH_MS = 5000

const SCHEDULING: SchedulingOptions = {
  limits: {},
  deadlineMs: 120_000,
  maxRequests: 10_000,
  maxBytes: 256 * 1024 * 1024,
  maxTries: 3,
  outputCaps: true,
  serviceTiers: false,
}

/** 131,072 tokens in chunks of one token take about 30 MB; the 40,960 that models give, 10 MB. */
const FLIGHT_BYTES = 16 * 1024 * 1024

/** Makes the generations of a gateway replica: cache, coalescer and the way to the upstream. */
export function createGenerations(deps: GenerationsDeps, options: GenerationsOptions): Generations {
  const { clock, logger, registry } = deps
  const { keyPrefix: prefix, redisUrl, memoryBytes, random = Math.random } = options
  const ttlMs = options.ttlSeconds * 1000
  const connection =
    redisUrl === null ? null : createConnection({ clock, logger }, redisUrl, options.redisTimeoutMs ?? REDIS_TIMEOUT_MS)
  const writer = redisUrl === null ? null : createWriter({ clock, logger }, redisUrl)
  const shared = connection === null || writer === null ? null : { connection, writer }
  const store = shared === null ? null : createStore({ ...shared, logger }, { prefix, random })
  const memory = createMemory(memoryBytes, clock.wallNow)
  const cacheStatus = () => connection?.status() ?? 'none'
  const metrics = createMetrics(registry, {
    flights: () => pipeline.flights(),
    memoryBytes: () => memory.bytes,
    sharedCacheUp: () => cacheStatus() === 'up',
    peers: () => replicas?.peers().length ?? 0,
  })
  const secret = installationSecret({ connection, logger, clock }, { secret: options.secret, prefix })
  const namespaces = createNamespaces({ connection, memory, clock }, { prefix })
  const families = createFamilies({ connection, now: clock.wallNow }, { prefix, ttlMs, random })
  const idempotency = createIdempotency({ connection, now: clock.wallNow }, { prefix })
  const statistics = createStatistics({ connection, clock }, { prefix })
  const identifyWith = (installation: string): Identify =>
    createIdentify({ namespaces, families, idempotency }, createFamilyMaker(installation), {
      allowShared: options.allowShared ?? false,
    })
  const identify = secret.first.then((installation): Identify => {
    let current = identifyWith(installation)
    secret.changed((shared) => (current = identifyWith(shared)))
    return {
      identify: (call, planned) => current.identify(call, planned),
      foresee: (call, planned) => current.foresee(call, planned),
      standIn: (place, fallback) => current.standIn(place, fallback),
    }
  })
  const recall = createRecall({ memory, store, metrics, wallNow: clock.wallNow })
  const coalescer = createCoalescer()
  const replicas =
    connection === null
      ? null
      : createReplicas(
          { ...deps, connection, secret },
          {
            prefix,
            id: options.replicaId,
            ttlMs: options.replicaTtlMs ?? REPLICA_TTL_MS,
            onPeers: options.onPeers ?? (() => {}),
            ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
          },
        )
  const scheduling = { ...SCHEDULING, ...options.scheduling }
  const scheduler = createScheduler(
    {
      clock,
      registry,
      connection,
      organisations: deps.upstream.organisations.map(({ name, models }) => ({
        name,
        serves: (model) => models === null || models.includes(model),
        limits: (model) => limitsOf(scheduling, name, model),
      })),
      usable: deps.upstream.usable,
      replicas: () => 1 + (replicas?.peers().length ?? 0),
    },
    { prefix, replica: options.replicaId, maxRequests: scheduling.maxRequests, maxBytes: scheduling.maxBytes },
  )
  const pipeline = createPipeline(
    {
      ...deps,
      identify,
      memory,
      store,
      metrics,
      recall,
      families,
      statistics,
      coalescer,
      replicas,
      retries: createRetries({ maxTries: scheduling.maxTries }),
      scheduler,
      caps: scheduling.outputCaps ? createCaps() : null,
    },
    { ...scheduling, capBytes: options.flightBytes ?? FLIGHT_BYTES, ttlMs },
  )

  return {
    generate: pipeline.generate,
    cache: createAdministration({
      memory,
      store,
      families,
      namespaces,
      statistics,
      coalescer,
      identify,
      wallNow: clock.wallNow,
    }),
    async ready() {
      await identify
    },
    announce: async (address) => replicas?.announce(address),
    serve: async (request, sink) => (await replicas?.serve(request, sink)) ?? null,
    replicas: () => 1 + (replicas?.peers().length ?? 0),
    cacheStatus,
    async close() {
      secret.close()
      scheduler.close()
      await Promise.all([replicas?.close() ?? deps.peers.close(), writer?.flush(FLUSH_MS)])
      writer?.close()
      connection?.close()
    },
  }
}

const limitsOf = ({ limits }: SchedulingOptions, organisation: string, model: string): Limits =>
  limits[organisation]?.[model] ?? limits[organisation]?.['*'] ?? limits['*']?.[model] ?? limits['*']?.['*'] ?? {}
