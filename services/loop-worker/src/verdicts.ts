import { ApiError, type Client } from '@loopgate/client'
import type { Logger } from '@loopgate/service-kit'
import type { WorkerMetrics } from './metrics.ts'

/** What a loop found about a stored generation. */
type Found = {
  /** Key of the generation. */
  readonly key: string
  readonly verdict: 'pass' | 'fail'
  readonly loopId: string
}

/** Writes verdicts of loops back to the cache, so that `x-loopgate-sample: best` finds what passed. */
export type Verdicts = {
  /** Returns at once; what cannot be written in time is dropped, and no loop ever waits for it. */
  readonly write: (found: Found) => void
  /** Writes what waits, until the signal is aborted; what is left then is dropped. */
  readonly close: (until: AbortSignal) => Promise<void>
}

/** Written at the same time: enough for a thousand a second, too few to take a loop's place at the gateway. */
const WRITERS = 2
/** Verdicts that may wait, of either kind. A failed one only says what its absence says already. */
const WAITING = 1000

/** A convenience beside the loops: its trouble is told once, until it has passed. */
export function createVerdicts({
  client,
  logger,
  metrics,
}: {
  client: Pick<Client, 'cache'>
  logger: Logger
  metrics: Pick<WorkerMetrics, 'verdict'>
}): Verdicts {
  const waiting: Record<Found['verdict'], Found[]> = { pass: [], fail: [] }
  const halting = new AbortController()
  let writers: Promise<void>[] = []
  let trouble = false

  const write = async ({ key, verdict, loopId }: Found): Promise<void> => {
    try {
      await client.cache.judge(key, { verdict, evaluator: loopId }, { loopId, signal: halting.signal })
      metrics.verdict('written')
      trouble = false
    } catch (error) {
      if (halting.signal.aborted) return metrics.verdict('dropped')
      // An answer that was not worth keeping, or has been purged since, has no verdict to carry.
      const gone = error instanceof ApiError && error.status === 404
      metrics.verdict(gone ? 'not_stored' : 'failed')
      if (gone || trouble) return
      trouble = true
      logger.warn({ err: error }, 'verdicts cannot be written to the cache; loops go on without')
    }
  }

  const work = async (): Promise<void> => {
    for (let found = next(); found !== undefined; found = next()) await write(found)
  }
  const next = (): Found | undefined => waiting.pass.shift() ?? waiting.fail.shift()

  return {
    write(found) {
      const queue = waiting[found.verdict]
      if (halting.signal.aborted || queue.length >= WAITING) return metrics.verdict('dropped')
      queue.push(found)
      if (writers.length >= WRITERS) return
      const writer = work().finally(() => (writers = writers.filter((other) => other !== writer)))
      writers.push(writer)
    },
    async close(until) {
      const halt = (): void => {
        halting.abort()
        for (const queue of [waiting.pass, waiting.fail]) for (const _ of queue.splice(0)) metrics.verdict('dropped')
      }
      until.addEventListener('abort', halt, { once: true })
      if (until.aborted) halt()
      while (writers.length > 0) await Promise.all(writers)
      until.removeEventListener('abort', halt)
    },
  }
}
