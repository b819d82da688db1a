import { fault } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'

/**
 * Runs what has a caller waiting: BullMQ waits for a lost connection to come back, a caller does not.
 * @throws LG_STORE_UNAVAILABLE
 */
export async function reachable<T>(redis: Redis, action: () => Promise<T>): Promise<T> {
  if (redis.status === 'end' || redis.status === 'close' || redis.status === 'reconnecting') {
    throw fault('LG_STORE_UNAVAILABLE')
  }
  try {
    return await action()
  } catch (cause) {
    throw fault('LG_STORE_UNAVAILABLE', { cause })
  }
}
