import { createVerdictStore } from '@loopgate/execution-store'
import type { Redis } from '@loopgate/loop-store'
import type { Clock, Logger, Registry } from '@loopgate/service-kit'
import type { Config } from '../config.ts'
import type { KeyServices } from '../keys/key-services.ts'
import type { RunnerEvents, RunnerHub } from '../runners/hub.ts'
import { composeAsync, type AsyncDoor } from './async/compose.ts'
import { createExecutions, type Executions } from './dispatcher.ts'
import { limitExecutions } from './limit-executions.ts'
import { reuseVerdicts } from './reuse-verdicts.ts'
import { tenantNamer } from './tenant-name.ts'

export type ExecutionDeps = {
  readonly hub: RunnerHub & { bind: (events: RunnerEvents) => void }
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
  readonly keys: Pick<KeyServices, 'limiter' | 'ring'>
  /** The Redis of queues and loops, by a `fail-fast` connection; null for none. */
  readonly redis: { readonly client: Redis; readonly url: string } | null
}

/** The stages of an execution, from the last to the first: runner, known verdicts, limits of key and tenant. */
export function composeExecutions(
  { hub, clock, logger, registry, keys, redis }: ExecutionDeps,
  config: Config,
): { executions: Executions; asyncExecutions: AsyncDoor | null } {
  const keyPrefix = config.LOOPGATE_KEY_PREFIX
  const queueMax = config.LOOPGATE_EXECUTION_QUEUE_MAX
  const dispatched = createExecutions(
    { hub, clock, registry },
    {
      queueMs: config.LOOPGATE_EXECUTION_QUEUE_MS,
      queueMax,
      nameTenant: tenantNamer(config.LOOPGATE_CACHE_SECRET ?? config.LOOPGATE_RUNNER_TOKEN),
    },
  )
  if (redis === null) return { executions: limitExecutions(dispatched, keys), asyncExecutions: null }
  const ttlSeconds = config.LOOPGATE_VERDICT_TTL_SECONDS
  const maxEntries = config.LOOPGATE_VERDICT_ENTRIES
  const verdicts = createVerdictStore({ redis: redis.client, clock }, { keyPrefix, ttlSeconds, maxEntries })
  const known = ttlSeconds === 0 ? dispatched : reuseVerdicts(dispatched, { verdicts, hub, registry })
  const executions = limitExecutions(known, keys)
  const asyncExecutions = composeAsync(
    { redis: redis.client, executions, clock, logger, registry },
    {
      redisUrl: redis.url,
      keyPrefix,
      queueMax,
      resultTtlSeconds: config.LOOPGATE_EXECUTION_RESULT_TTL_SECONDS,
      concurrency: config.LOOPGATE_ASYNC_EXECUTIONS,
      stallMs: config.LOOPGATE_STALL_MS,
    },
  )
  return { executions, asyncExecutions }
}
