import type { Logger } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { EXECUTION_QUEUE, executionJobOptions, executionJobSchema, type ExecutionJob } from './executions.ts'
import { openQueue } from './queues.ts'
import { reachable } from './reachable.ts'

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
  const queue = openQueue<ExecutionJob>(EXECUTION_QUEUE, 'execution', { redis, logger }, keyPrefix)

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
