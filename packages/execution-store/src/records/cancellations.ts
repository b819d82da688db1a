import type { Redis } from 'ioredis'

export type Cancellations = {
  /** Begins to listen, once. What was told while the connection was cut is not heard: `onGap` says so. */
  readonly listen: (onCancelled: (id: string) => void, onGap: () => void) => void
  readonly close: () => void
}

/** Hears of cancelled executions, over a connection of its own. */
export function createCancellations(redis: Redis, channel: string): Cancellations {
  let subscriber: Redis | null = null
  return {
    listen(onCancelled, onGap) {
      // Its offline queue is on whatever the profile: a subscription may well be sent later.
      const connection = redis.duplicate({
        enableOfflineQueue: true,
        maxRetriesPerRequest: null,
        autoResubscribe: true,
      })
      subscriber = connection
      connection.on('error', () => {})
      connection.on('message', (_channel: string, id: string) => onCancelled(id))
      connection.on('ready', onGap)
      void connection.subscribe(channel).catch(() => {})
    },
    close() {
      subscriber?.disconnect()
      subscriber = null
    },
  }
}
