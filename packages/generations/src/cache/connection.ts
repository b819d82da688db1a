import type { Clock, Logger } from '@loopgate/service-kit'
import type { Client } from '../replicas/scripts.ts'
import { createClient } from './client.ts'

/** A timer that fires later than this means that this process stood still, not that Redis did. */
const STALLED_MS = 20
/** How long the very first attempt to connect is waited for. */
const OPENING_MS = 1000
/**
 * A connection is given up when this many commands have failed in a row, over this time: a process
 * that stood still for a moment finds many timers due at once, and that is no fault of Redis. On an
 * overloaded machine Redis may stand still for half a second; each replica then calling for itself
 * would add to the load.
 */
const FAILURES = 3
const FAILING_MS = 1000

/**
 * How long a patient command is waited for while Redis is slow, and still counts as there. Twenty times
 * the usual bound: whoever gives up earlier pays for an upstream call.
 */
const PATIENT_MS = 3000

class Overdue extends Error {}

type Attempt<T> = {
  /** Given a reply that was not waited for and may still come: what the command did, it did all the same. */
  readonly late?: (reply: Promise<T>) => void
  /** Waits on while Redis is slow, until it counts as away. */
  readonly patient?: boolean
}

export type ConnectionOptions = {
  /** Called with the client before its first command, to define scripts on it. */
  readonly prepare?: (client: Client) => void
  /** What the log says when Redis goes, and when it is back. */
  readonly away?: string
  readonly back?: string
}

const CACHE_AWAY = 'Redis is away: generations are answered without the shared cache'
const CACHE_BACK = 'Redis is back: the shared cache is used again'

export type Connection = {
  /**
   * Runs a command, or gives null at once while Redis is away and after a failure: the cache is a
   * convenience, and its failure is a miss. Only the very first attempt to connect is waited for, so
   * that a process that has just started finds what is stored.
   */
  readonly attempt: <T>(command: (redis: Client) => Promise<T>, how?: Attempt<T>) => Promise<T | null>
  /** `up`, or `down` while the cache is bypassed. */
  readonly status: () => 'up' | 'down'
  readonly close: () => void
}

/**
 * A connection that fails fast (no queue while it is down, no retries). The breaker is the
 * connection itself: once it keeps failing, as with a Redis that is frozen, it is dropped,
 * and until a new one is ready nothing is sent. So a silent peer is noticed too, coming back needs
 * no caller's patience, and the log has one line a transition.
 */
export function createConnection(
  { clock, logger }: { clock: Clock; logger: Logger },
  urls: string,
  timeoutMs: number,
  { prepare, away = CACHE_AWAY, back = CACHE_BACK }: ConnectionOptions = {},
): Connection {
  const redis = createClient(urls, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // Many callers' commands in one write.
    enableAutoPipelining: true,
  })
  prepare?.(redis)
  let failures = 0
  let failingSince = 0
  let up = false
  let told: boolean | null = null
  const { promise: opening, resolve: opened } = Promise.withResolvers<void>()
  clock.after(OPENING_MS, opened)
  redis.on('ready', () => turn(true))
  redis.on('close', () => turn(false))

  return {
    async attempt(command, { late, patient = false } = {}) {
      if (told === null) await opening
      if (!up) return null
      const reply = command(redis)
      const givenUpAt = clock.now() + (patient ? PATIENT_MS : 0)
      for (;;) {
        try {
          const result = await inTime(reply)
          failures = 0
          return result
        } catch (error) {
          failed(error)
          if (error instanceof Overdue && up && clock.now() < givenUpAt) continue
          late?.(reply)
          return null
        }
      }
    },
    status: () => (up ? 'up' : 'down'),
    close() {
      redis.removeAllListeners('close')
      redis.disconnect()
      up = false
      opened()
    },
  }

  function failed(error: unknown): void {
    failures++
    if (failures === 1) failingSince = clock.now()
    if (!up || failures < FAILURES || clock.now() - failingSince < FAILING_MS) return
    logger.debug({ err: error }, 'Redis does not answer')
    turn(false)
    redis.disconnect(true)
  }

  /**
   * Rejects once the command has taken too long. A reply that waits in the socket while this process
   * stands still has its turn to be read first.
   */
  async function inTime<T>(command: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const dueAt = clock.now() + timeoutMs
    const fail = () => setImmediate(() => reject(new Overdue(`no reply within ${timeoutMs} ms`)))
    let cancel = clock.after(timeoutMs, () => {
      const lateMs = clock.now() - dueAt
      if (lateMs < STALLED_MS) fail()
      else cancel = clock.after(Math.min(lateMs, timeoutMs), fail)
    })
    command.then(resolve, reject)
    try {
      return await promise
    } finally {
      cancel()
    }
  }

  function turn(now: boolean): void {
    up = now
    failures = 0
    opened()
    if (told === now) return
    if (!now) logger.warn(away)
    else if (told === false) logger.info(back)
    told = now
  }
}
