import type { Logger } from '@loopgate/service-kit'
import { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { EXECUTION_QUEUE, executionJobOptions, executionJobSchema, type ExecutionJob } from './executions.ts'
import { reachable } from './reachable.ts'
import { queuePrefix } from './slices.ts'

/** Both methods throw LG_STORE_UNAVAILABLE. */
export type ExecutionProducer = {
  readonly enqueue: (executionId: string) => Promise<void>
  /** Executions in the queue, those that run included. */
  readonly depth: () => Promise<number>
  readonly close: () => Promise<void>
}

/** Fills the queue of asynchronous executions. `redis` is a `fail-fast` connection; it is not closed here. */
export function createExecutionProducer(
  { redis, logger }: { readonly redis: Redis; readonly logger: Logger },
  { keyPrefix }: { readonly keyPrefix: string },
): ExecutionProducer {
  const queue = new Queue<ExecutionJob>(EXECUTION_QUEUE, {
    connection: redis,
    prefix: queuePrefix(keyPrefix),
    // Its version check is a command at start; with Redis away it would be an unhandled error.
    skipVersionCheck: true,
  })
  queue.on('error', (err) => logger[redis.status === 'ready' ? 'warn' : 'debug']({ err }, 'execution queue'))

  return {
    enqueue: async (executionId) => {
      const job = executionJobSchema.parse({ executionId })
      await reachable(redis, () => queue.add('execution', job, executionJobOptions(executionId)))
    },
    depth: () =>
      reachable(redis, async () => {
        const counts = await queue.getJobCounts('waiting', 'delayed', 'active')
        return Object.values(counts).reduce((sum, count) => sum + count, 0)
      }),
    close: () => queue.close(),
  }
}
