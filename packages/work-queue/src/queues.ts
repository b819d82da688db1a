import type { Logger } from '@loopgate/service-kit'
import { DelayedError, type Job, type JobsOptions, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'

/** BullMQ's keys of one installation, in one slot of a cluster, as its scripts need. */
export const queuePrefix = (keyPrefix: string): string => `{${keyPrefix}-queue}`

const ATTEMPTS = 6
const BACKOFF_MS = 1_000

/**
 * What BullMQ does when a job throws, which is for faults of the process itself. 1, 2, 4 ... seconds,
 * each drawn between zero and that, so that jobs that failed together do not come back together. Ended
 * jobs are removed at once: their truth is not here.
 */
export const RETRIES = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 1 },
  removeOnComplete: true,
  removeOnFail: true,
} as const satisfies JobsOptions

/**
 * How often a job may be taken from a dead process before BullMQ gives it up. Its default of 1 loses
 * a job after two hard restarts, and the count never goes down. Given-up loops come back by the
 * sweeper; a loop that kills its workers is told by the store's count of barren acquisitions.
 */
const MAX_STALLED_COUNT = 20
/** After a lost connection; BullMQ's 15 s would leave processes idle long after Redis is back. */
const RUN_RETRY_MS = 1_000

type Deps = { readonly redis: Redis; readonly logger: Logger }

/** While Redis is away every command fails; that it is away, its connection says once. */
function quietly({ redis, logger }: Deps, what: string): (err: Error) => void {
  return (err) => logger[redis.status === 'ready' ? 'warn' : 'debug']({ err }, what)
}

/** Opens a queue to be filled with what is called `what`. `redis` is a `fail-fast` connection; it is not closed here. */
export function openQueue<Data>(name: string, what: string, deps: Deps, keyPrefix: string): Queue<Data> {
  const queue = new Queue<Data>(name, {
    connection: deps.redis,
    prefix: queuePrefix(keyPrefix),
    // Its version check is a command at start; with Redis away it would be an unhandled error.
    skipVersionCheck: true,
  })
  // BullMQ types the listener by the data, which it does not take.
  ;(queue as Queue).on('error', quietly(deps, `${what} queue`))
  return queue
}

export type WorkerOptions = {
  readonly keyPrefix: string
  /** Jobs run at once. */
  readonly concurrency: number
  /** How long a dead process keeps a job: lock duration, and half of it the interval of the check. */
  readonly stallMs: number
}

/**
 * Runs the jobs of a queue. `run` says in how many ms its job comes again, or null if it is done; `lost`
 * is aborted when another process may be running the same. `redis` is a `worker` connection; BullMQ
 * opens a second one like it; the first is not closed here.
 */
export function openWorker<Data>(
  name: string,
  { what, stalled }: { readonly what: string; readonly stalled: string },
  deps: Deps,
  { keyPrefix, concurrency, stallMs }: WorkerOptions,
  run: (job: Job<Data>, lost: AbortSignal) => Promise<number | null>,
): Worker<Data, void> {
  // The third parameter must be there, or BullMQ makes no signal.
  const process = async (job: Job<Data>, token: string | undefined, signal?: AbortSignal): Promise<void> => {
    const againMs = await run(job, signal ?? new AbortController().signal)
    if (againMs === null) return
    // Through the delayed set, since BullMQ's way straight back puts a job before those that wait.
    await job.moveToDelayed(Date.now() + againMs, token)
    throw new DelayedError()
  }
  const worker = new Worker<Data, void>(name, process, {
    connection: deps.redis,
    prefix: queuePrefix(keyPrefix),
    concurrency,
    lockDuration: stallMs,
    stalledInterval: Math.ceil(stallMs / 2),
    maxStalledCount: MAX_STALLED_COUNT,
    runRetryDelay: RUN_RETRY_MS,
  })
  worker.on('error', quietly(deps, `${what} worker`))
  worker.on('stalled', (jobId) => deps.logger.warn({ jobId }, stalled))
  worker.on('lockRenewalFailed', (jobIds: string[]) => jobIds.forEach((jobId) => worker.cancelJob(jobId)))
  return worker
}
