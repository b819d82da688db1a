import { createExecutionRecords } from '@loopgate/execution-store'
import { connectRedis, type Redis } from '@loopgate/loop-store'
import type { Clock, Logger, Registry } from '@loopgate/service-kit'
import { createExecutionConsumer, createExecutionProducer } from '@loopgate/work-queue'
import type { Executions } from '../dispatcher.ts'
import { createAsyncExecutions, type AsyncExecutions } from './async-executions.ts'
import { createAsyncMetrics } from './metrics.ts'

export type AsyncOptions = {
  readonly redisUrl: string
  readonly keyPrefix: string
  readonly resultTtlSeconds: number
  /** How many this replica takes up at once; 0 leaves them to the others. */
  readonly concurrency: number
  readonly queueMax: number
  readonly stallMs: number
}

export type AsyncDoor = AsyncExecutions & {
  /** Takes up no more and waits for what runs; other replicas take over what does not end in time. Once. */
  readonly stop: (deadlineMs: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** Asynchronous executions over `redis`, a `fail-fast` connection that is not closed here. */
export function composeAsync(
  deps: { redis: Redis; executions: Executions; clock: Clock; logger: Logger; registry: Registry },
  options: AsyncOptions,
): AsyncDoor {
  const { redis, executions, clock, logger, registry } = deps
  const { keyPrefix, resultTtlSeconds, concurrency, queueMax, stallMs } = options
  const records = createExecutionRecords({ redis, clock }, { keyPrefix, resultTtlSeconds })
  const producer = createExecutionProducer({ redis, logger }, { keyPrefix })
  const metrics = createAsyncMetrics(registry)
  const asyncExecutions = createAsyncExecutions({ records, producer, executions, clock, metrics }, { queueMax })
  const waiting = concurrency > 0 ? connectRedis(options.redisUrl, 'worker', { name: 'gateway-executions' }) : null
  const consumer =
    waiting === null
      ? null
      : createExecutionConsumer(
          { redis: waiting, logger, clock },
          { keyPrefix, concurrency, stallMs, handle: asyncExecutions.handle, giveUp: asyncExecutions.giveUp },
        )
  let stopped: Promise<void> | null = null
  return {
    ...asyncExecutions,
    stop: (deadlineMs) => (stopped ??= consumer?.close(deadlineMs) ?? Promise.resolve()),
    async close() {
      records.close()
      await producer.close()
      waiting?.disconnect()
    },
  }
}
