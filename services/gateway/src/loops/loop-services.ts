import type { LoopStore } from '@loopgate/loop-store'
import { fault } from '@loopgate/service-kit'

/** Durable loops, and the queue that makes workers look at one. */
export type LoopServices = {
  readonly store: LoopStore
  readonly enqueue: (loopId: string) => Promise<void>
}

/**
 * The loops of an installation, if it has a Redis.
 * @throws LG_STORE_UNAVAILABLE without one
 */
export function need(loops: LoopServices | null): LoopServices {
  if (loops === null) throw fault('LG_STORE_UNAVAILABLE', { message: 'LOOPGATE_REDIS_URL is not set' })
  return loops
}
