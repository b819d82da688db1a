import type { Clock, Logger } from '@loopgate/service-kit'

export type SweptLoop = { readonly id: string; readonly state: string; readonly updatedAtMs: number }

export type SweeperDeps = {
  readonly logger: Logger
  readonly clock: Clock
  /** A page of the loops that have not ended. */
  readonly live: (
    cursor: string,
    limit: number,
  ) => Promise<{ readonly loops: readonly SweptLoop[]; readonly next: string | null }>
  /** True for one process in many, once in `ms`. */
  readonly claim: (name: string, ms: number) => Promise<boolean>
  readonly resume: (loopId: string) => Promise<unknown>
  readonly enqueue: (loopId: string) => Promise<void>
}

export type SweeperOptions = {
  readonly everyMs: number
  /** A loop that changed later than this ago surely has a job. */
  readonly quietMs: number
  /** A loop that paused after faults is tried again after this long. */
  readonly resumePausedMs: number
}

export type Sweeper = {
  /** One pass, if no other process has made one lately. Returns how many loops were put in the queue or were there. */
  readonly sweep: () => Promise<number>
  readonly close: () => Promise<void>
}

const PAGE = 500

/**
 * Puts loops back into the queue that ought to be there and are not: their creator died between
 * creating and enqueuing, BullMQ gave their job up, or they paused because of faults. Adding a loop
 * that has its job does nothing, so the sweeper need not know which are missing.
 */
export function createSweeper(deps: SweeperDeps, options: SweeperOptions): Sweeper {
  const { logger, clock, live, claim, resume, enqueue } = deps
  const closing = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  let cancel = (): void => {}

  const treat = async ({ id, state, updatedAtMs }: SweptLoop): Promise<boolean> => {
    const quietMs = clock.wallNow() - updatedAtMs
    if (quietMs < (state === 'paused' ? options.resumePausedMs : options.quietMs)) return false
    if (state === 'paused') await resume(id)
    await enqueue(id)
    return true
  }

  const sweep = async (): Promise<number> => {
    if (!(await claim('sweep', options.everyMs))) return 0
    let enqueued = 0
    for (let cursor: string | null = ''; cursor !== null && !closing.signal.aborted;) {
      const page = await live(cursor, PAGE)
      for (const treated of await Promise.all(page.loops.map(treat))) enqueued += treated ? 1 : 0
      cursor = page.next
    }
    return enqueued
  }

  const plan = (): void => {
    cancel = clock.after(options.everyMs, () => {
      running = sweep()
        .catch((error: unknown) => logger.warn({ err: error }, 'sweep of the loops failed'))
        .finally(() => {
          if (!closing.signal.aborted) plan()
        })
    })
  }
  plan()

  return {
    sweep,
    close: async () => {
      closing.abort()
      cancel()
      await running
    },
  }
}
