import { createPeers, createUpstream, fetchPublicModels } from '@loopgate/cerebras'
import { createGenerations } from '@loopgate/generations'
import { connectRedis, createLoopStore, type Redis } from '@loopgate/loop-store'
import { createSliceProducer } from '@loopgate/work-queue'
import { createRegistry, newId, systemClock, type Clock, type Logger, type Registry } from '@loopgate/service-kit'
import { createAuthenticator } from './auth/authenticator.ts'
import { createOnBehalf } from './auth/on-behalf.ts'
import { type Config, configuredKeys } from './config.ts'
import { createCeilings } from './executions/ceilings.ts'
import { composeExecutions } from './executions/compose.ts'
import type { LoopServices } from './loops/loop-services.ts'
import { observeLoops } from './loops/metrics.ts'
import { composeKeys } from './keys/key-services.ts'
import { refreshPrices } from './keys/refresh-prices.ts'
import { createDrain } from './operations/drain.ts'
import { createRunnerHub } from './runners/hub.ts'
import { CONNECT_PATH } from './runners/routes.ts'
import type { Services } from './services.ts'
import { composeShedding } from './shedding/compose.ts'
import { organisationsOf } from './upstreams/settings.ts'

/** What no operator sets but tests do. */
export type Tuning = {
  readonly clock?: Clock
  readonly heartbeatMs?: number
  readonly helloMs?: number
}

/** A dead runner is noticed by its socket; this is for those whose network has gone silent. */
const HEARTBEAT_MS = 5_000
const HELLO_MS = 5_000

/** Makes everything the gateway stands on from its configuration. */
export function compose(config: Config, logger: Logger, tuning: Tuning = {}): Services {
  const clock = tuning.clock ?? systemClock
  const registry = createRegistry()
  const gatewayId = newId('gateway')
  const hub = createRunnerHub(
    { clock, logger },
    {
      gatewayId,
      heartbeatMs: tuning.heartbeatMs ?? HEARTBEAT_MS,
      helloMs: tuning.helloMs ?? HELLO_MS,
    },
  )
  const upstream = createUpstream(
    { clock, logger, registry },
    {
      url: config.LOOPGATE_UPSTREAM_URL,
      organisations: organisationsOf(config),
      fallbacks: config.LOOPGATE_FALLBACKS,
      connections: config.LOOPGATE_UPSTREAM_CONNECTIONS,
      firstByteMs: config.LOOPGATE_UPSTREAM_FIRST_BYTE_MS,
      idleMs: config.LOOPGATE_UPSTREAM_IDLE_MS,
      totalMs: config.LOOPGATE_UPSTREAM_TOTAL_MS,
    },
  )
  const generations = createGenerations(
    { upstream, peers: createPeers({ clock }), clock, logger, registry },
    {
      redisTimeoutMs: config.LOOPGATE_CACHE_TIMEOUT_MS,
      replicaId: gatewayId,
      replicaTtlMs: config.LOOPGATE_REPLICA_TTL_MS,
      onPeers: (peers) => hub.setPeers(peers.map(({ address }) => runnerAddress(address))),
      redisUrl: config.LOOPGATE_REDIS_URL ?? null,
      keyPrefix: config.LOOPGATE_KEY_PREFIX,
      scheduling: {
        limits: config.LOOPGATE_UPSTREAM_LIMITS,
        deadlineMs: config.LOOPGATE_QUEUE_DEADLINE_MS,
        maxTries: config.LOOPGATE_UPSTREAM_TRIES,
        maxRequests: config.LOOPGATE_QUEUE_MAX,
        maxBytes: config.LOOPGATE_QUEUE_MAX_BYTES,
        outputCaps: config.LOOPGATE_OUTPUT_CAPS,
        serviceTiers: config.LOOPGATE_SERVICE_TIERS,
      },
      ttlSeconds: config.LOOPGATE_CACHE_TTL_SECONDS,
      allowShared: config.LOOPGATE_CACHE_SHARED,
      memoryBytes: config.LOOPGATE_CACHE_MEMORY_BYTES,
      ...(config.LOOPGATE_CACHE_SECRET !== undefined && { secret: config.LOOPGATE_CACHE_SECRET }),
    },
  )
  const queueUrl = config.LOOPGATE_QUEUE_REDIS_URL ?? config.LOOPGATE_REDIS_URL
  const keys = composeKeys(
    { clock, logger, registry },
    {
      // The cache forgets what it has no room for, and all of it with a restart; keys and budgets must last.
      redisUrl: queueUrl ?? null,
      redisTimeoutMs: config.LOOPGATE_CACHE_TIMEOUT_MS,
      keyPrefix: config.LOOPGATE_KEY_PREFIX,
      configured: configuredKeys(config),
      prices: config.LOOPGATE_PRICES,
      leaseMs: config.LOOPGATE_LIMIT_LEASE_MS,
      replicas: () => generations.replicas(),
    },
  )
  const prices = refreshPrices({
    prices: keys.prices,
    publicModels: () => fetchPublicModels(config.LOOPGATE_UPSTREAM_URL),
    clock,
    logger,
  })
  const redis = queueUrl === undefined ? null : connectRedis(queueUrl, 'fail-fast', { name: 'gateway' })
  const loops = redis === null ? null : composeLoops(redis, config, { clock, logger, registry })
  const executions = composeExecutions(
    { hub, clock, logger, registry, keys, redis: redis === null ? null : { client: redis, url: queueUrl ?? '' } },
    config,
  )

  return {
    logger,
    clock,
    registry,
    drain: createDrain(),
    authenticator: createAuthenticator(keys.ring, config.LOOPGATE_RUNNER_TOKEN),
    onBehalf: createOnBehalf({ ring: keys.ring, loops }),
    hub,
    ...executions,
    ceilings: createCeilings(config.LOOPGATE_EXECUTION_CEILINGS),
    loops,
    upstream,
    generations,
    keys,
    shedding: composeShedding(clock, config),
    advertiseUrl: config.LOOPGATE_ADVERTISE_URL ?? null,
    loopsStatus: () => (redis === null ? 'none' : redis.status === 'ready' ? 'up' : 'down'),
    async close() {
      prices.stop()
      await Promise.all([
        loops?.close(),
        executions.asyncExecutions?.close(),
        generations.close(),
        upstream.close(),
        keys.close(),
      ])
      redis?.disconnect()
    },
  }
}

/** Where runners attach to the replica at this address. */
function runnerAddress(address: string): string {
  const { href } = new URL(CONNECT_PATH.slice(1), `${address.replace(/\/$/, '')}/`)
  return href.replace(/^http/, 'ws')
}

function composeLoops(
  redis: Redis,
  config: Config,
  { clock, logger, registry }: { clock: Clock; logger: Logger; registry: Registry },
): LoopServices & { close: () => Promise<void> } {
  const keyPrefix = config.LOOPGATE_KEY_PREFIX
  const store = createLoopStore({ redis, clock }, { keyPrefix })
  const producer = createSliceProducer({ redis, logger }, { keyPrefix })
  observeLoops(registry, { store, clock, logger })
  return {
    store,
    enqueue: producer.enqueue,
    async close() {
      await Promise.all([store.close(), producer.close()])
    },
  }
}
