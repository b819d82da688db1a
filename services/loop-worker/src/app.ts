import type { Client } from '@loopgate/client'
import { createLoopStore, type Redis } from '@loopgate/loop-store'
import { LoopgateError, type Clock, type Logger, type Registry } from '@loopgate/service-kit'
import {
  createSliceConsumer,
  createSliceProducer,
  createSweeper,
  type SliceEnd,
  type SliceRun,
} from '@loopgate/work-queue'
import { createWorkerMetrics, type SliceOutcome } from './metrics.ts'
import { runSlice } from './slice/run-slice.ts'
import { createVerdicts } from './verdicts.ts'

export type WorkerDeps = {
  /** A `worker` connection; not closed here. */
  readonly redis: Redis
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
  readonly random?: () => number
}

export type WorkerOptions = {
  readonly keyPrefix: string
  readonly concurrency: number
  readonly sliceMs: number
  readonly stallMs: number
  readonly sweepMs?: number
  /** How long a loop that paused after faults rests before it is tried again. */
  readonly resumePausedMs?: number
}

export type Worker = {
  readonly ready: () => Promise<void>
  /** Ends within about `graceMs`: slices finish their wave for the first half, then stop at what is committed. */
  readonly close: (graceMs: number) => Promise<void>
}

const SWEEP_MS = 10_000
const RESUME_PAUSED_MS = 30_000
/** How long closing waits for verdicts that are on their way into the cache. */
const VERDICTS_MS = 1000

/** A process that runs slices of loops as a client of the gateway. */
export function createWorker(deps: WorkerDeps, options: WorkerOptions): Worker {
  const { redis, client, clock, logger, registry, random = Math.random } = deps
  const { keyPrefix, concurrency, sliceMs, stallMs } = options
  const store = createLoopStore({ redis, clock }, { keyPrefix })
  const producer = createSliceProducer({ redis, logger }, { keyPrefix })
  const metrics = createWorkerMetrics(registry)
  const verdicts = createVerdicts({ client, logger, metrics })
  const draining = new AbortController()
  const halting = new AbortController()

  const run = async ({ loopId, lost }: SliceRun): Promise<SliceOutcome> => {
    metrics.sliceStarted()
    const startedAt = clock.now()
    let outcome: SliceOutcome = 'thrown'
    try {
      outcome = await runSlice({ store, client, clock, logger, metrics, verdicts, random }, loopId, lost, {
        sliceMs,
        draining: draining.signal,
        halting: halting.signal,
      })
      return outcome
    } finally {
      metrics.sliceEnded(outcome, (clock.now() - startedAt) / 1000)
    }
  }

  const handle = async (slice: SliceRun): Promise<SliceEnd> => {
    try {
      return (await run(slice)) === 'yield' ? 'yield' : 'done'
    } catch (error) {
      // Redis away is no attempt of the loop's: it waits its turn again.
      if (error instanceof LoopgateError && error.code === 'LG_STORE_UNAVAILABLE') return 'yield'
      if (slice.lastAttempt) await giveUp(slice.loopId)
      throw error
    }
  }

  /** A slice that fails every time is no fault that passes: the loop ends and says so. */
  const giveUp = async (loopId: string): Promise<void> => {
    const acquired = await store.acquire(loopId)
    if (acquired === null) return
    const { fence, snapshot } = acquired
    const transition = {
      state: 'failed',
      reason: 'the worker met an unexpected error; its log has the details',
    } as const
    await store.commit(loopId, fence, { iterations: [], waveEnd: snapshot.waveEnd, transition })
  }

  const consumer = createSliceConsumer({ redis, logger, clock }, { keyPrefix, concurrency, stallMs, handle })
  const sweeper = createSweeper(
    { logger, clock, live: store.live, claim: store.claim, resume: store.resume, enqueue: producer.enqueue },
    {
      everyMs: options.sweepMs ?? SWEEP_MS,
      quietMs: options.sweepMs ?? SWEEP_MS,
      resumePausedMs: options.resumePausedMs ?? RESUME_PAUSED_MS,
    },
  )

  const flushVerdicts = async (): Promise<void> => {
    const late = new AbortController()
    const cancel = clock.after(VERDICTS_MS, () => late.abort())
    await verdicts.close(late.signal)
    cancel()
  }

  return {
    ready: () => consumer.ready(),
    close: async (graceMs) => {
      draining.abort()
      const cancel = clock.after(graceMs / 2, () => halting.abort())
      await Promise.all([consumer.close(graceMs), sweeper.close()])
      cancel()
      await flushVerdicts()
      await Promise.all([producer.close(), store.close()])
    },
  }
}
