import type { Clock, Logger } from '@loopgate/service-kit'
import type { Client } from '../replicas/scripts.ts'
import { createClient } from './client.ts'

/** Writes that have been paid for and must not be lost to a moment's trouble of Redis. */
export type Writer = {
  /**
   * Sends a write as soon as Redis takes it, again after a cut; it must be repeatable. Resolves to
   * its reply, or to null if it was given up. `bytes` is what it holds until then.
   */
  readonly write: <T>(bytes: number, send: (redis: Client) => Promise<T>) => Promise<T | null>
  /** Resolves when nothing waits any more, or after `ms`; much sooner if Redis cannot be reached. */
  readonly flush: (ms: number) => Promise<void>
  readonly close: () => void
}

/** Bytes that may wait; beyond it new writes are given up, and a later call pays again. */
const WAITING_BYTES = 64 * 1024 * 1024
/** A connection that has answered nothing for so long is replaced by another. */
const SILENT_MS = 5000

/** A patient connection of its own: no reader waits behind a write, and a write waits for Redis. */
export function createWriter({ clock, logger }: { clock: Clock; logger: Logger }, urls: string): Writer {
  const redis = createClient(urls, { enableOfflineQueue: true, maxRetriesPerRequest: null })
  let waiting = 0
  let waitingBytes = 0
  let answeredAt = clock.now()
  let watched = false
  let full = false
  let idle: (() => void)[] = []

  return {
    async write(bytes, send) {
      if (waitingBytes + bytes > WAITING_BYTES) {
        if (!full) logger.warn({ waitingBytes }, 'Redis does not take generations fast enough: some are not kept')
        full = true
        return null
      }
      if (waiting === 0) answeredAt = clock.now()
      waiting++
      waitingBytes += bytes
      if (!watched) watch()
      try {
        return await send(redis)
      } catch (error) {
        logger.debug({ err: error }, 'a write to Redis was given up')
        return null
      } finally {
        answeredAt = clock.now()
        waiting--
        waitingBytes -= bytes
        full &&= waitingBytes > WAITING_BYTES / 2
        if (waiting === 0) for (const done of idle.splice(0)) done()
      }
    },
    async flush(ms) {
      if (waiting === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      idle = [...idle, resolve]
      const cancel = clock.after(redis.status === 'ready' ? ms : ms / 10, resolve)
      await promise
      cancel()
    },
    close: () => redis.disconnect(),
  }

  function watch(): void {
    watched = waiting > 0
    if (!watched) return
    if (clock.now() - answeredAt >= SILENT_MS) {
      answeredAt = clock.now()
      redis.disconnect(true)
    }
    clock.after(SILENT_MS / 5, watch)
  }
}
