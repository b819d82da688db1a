import { fault } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { COMMAND_TIMEOUT_MS } from './connect.ts'

/** Replies of a Redis that is there but cannot serve now. */
const REFUSALS = /^(OOM|LOADING|READONLY|MISCONF|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY) /

/** How ioredis words that a command could not be sent or was not answered. */
const CUT =
  /Command timed out|Stream isn't writeable|Connection is closed|max retries per request|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND/

class NotConnected extends Error {}

export type Guard = <T>(action: () => Promise<T>) => Promise<T>

/**
 * Wraps what the store does with Redis: a connection that is just being opened is waited for, and a
 * failure to reach Redis becomes LG_STORE_UNAVAILABLE. Other errors pass as they are: they are bugs.
 */
export function createGuard(redis: Redis): Guard {
  let opening: Promise<void> | null = null
  return async (action) => {
    try {
      if (isOpening(redis)) {
        opening ??= attemptEnds(redis).finally(() => (opening = null))
        await opening
      }
      return await action()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      throw fault('LG_STORE_UNAVAILABLE', { cause: error })
    }
  }
}

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'ReplyError') return REFUSALS.test(error.message)
  return error instanceof NotConnected || CUT.test(`${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}`)
}

/**
 * Without an offline queue, commands sent in the first milliseconds of a process would be refused
 * although nothing is wrong.
 */
const isOpening = (redis: Redis): boolean =>
  redis.options.enableOfflineQueue === false && (redis.status === 'connecting' || redis.status === 'connect')

/** The end of the attempt to connect that is under way; rejects if it fails or takes too long. */
function attemptEnds(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: NotConnected | null): void => {
      clearTimeout(timer)
      redis.off('ready', ready)
      redis.off('close', closed)
      if (error) reject(error)
      else resolve()
    }
    const ready = (): void => settle(null)
    const closed = (): void => settle(new NotConnected('Redis refused the connection'))
    const timer = setTimeout(() => settle(new NotConnected('Redis did not answer')), COMMAND_TIMEOUT_MS)
    redis.once('ready', ready)
    redis.once('close', closed)
  })
}
