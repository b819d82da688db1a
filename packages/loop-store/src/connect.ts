import { Redis, type RedisOptions } from 'ioredis'
import { watchConnection, type WatchOptions } from './watch.ts'

export type { Redis } from 'ioredis'

/**
 * `fail-fast`: for whoever has a caller waiting; a command is refused at once while there is no
 * connection and after COMMAND_TIMEOUT_MS when Redis is slow, and is never sent later behind the
 * caller's back. `worker`: for whoever has nothing better to do than to wait, and for BullMQ's
 * workers, which demand it; commands wait for the connection and are sent again after a cut, so
 * they must be repeatable.
 */
export type RedisProfile = 'fail-fast' | 'worker'

/** A create or a read takes well below a millisecond; two seconds is a Redis in trouble. */
export const COMMAND_TIMEOUT_MS = 2_000
const MAX_RECONNECT_DELAY_MS = 2_000

const PROFILES: Readonly<Record<RedisProfile, RedisOptions>> = {
  'fail-fast': {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    autoResendUnfulfilledCommands: false,
  },
  worker: { enableOfflineQueue: true, maxRetriesPerRequest: null },
}

export type ConnectOptions = {
  /** Told once when the connection is lost or cannot be made, with the reason, and once when it is there again. */
  readonly onChange?: (up: boolean, reason: Error | null) => void
  /** Shown by `CLIENT LIST`. */
  readonly name?: string
  /** For `worker`: how a connection that has gone silent is noticed; by default after 15 s at most. */
  readonly watch?: WatchOptions
}

const WATCH: WatchOptions = { everyMs: 5_000, deadlineMs: 10_000 }

/** Opens a connection that reconnects for as long as it is not closed by `disconnect()`. */
export function connectRedis(url: string, profile: RedisProfile, options: ConnectOptions = {}): Redis {
  const settings: RedisOptions & { replyMapping: 'legacy' } = {
    ...PROFILES[profile],
    replyMapping: 'legacy',
    keepAlive: 10_000,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), MAX_RECONNECT_DELAY_MS),
    // A failover leaves us on a replica: reconnecting finds the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(options.name === undefined ? {} : { connectionName: options.name }),
  }
  const redis = new Redis(url, settings)
  let up: boolean | null = null
  const change = (now: boolean, reason: Error | null): void => {
    if (up !== now && !(now && up === null)) options.onChange?.(now, reason)
    up = now
  }
  redis.on('error', (error) => change(false, error))
  redis.on('close', () => change(false, null))
  redis.on('ready', () => change(true, null))
  // With `fail-fast` every command has its own time limit.
  if (profile === 'worker') watchConnection(redis, options.watch ?? WATCH)
  return redis
}
