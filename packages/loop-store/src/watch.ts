import type { Redis } from 'ioredis'

export type WatchOptions = {
  readonly everyMs: number
  /** How long Redis may owe an answer before the connection is taken for dead. */
  readonly deadlineMs: number
}

/**
 * Replaces a connection whose other end has gone silent. A network that drops packets closes
 * nothing: without this, TCP finds out after a quarter of an hour, and commands without a time
 * limit wait as long. The commands that were owed an answer are sent again on the new connection.
 */
export function watchConnection(redis: Redis, { everyMs, deadlineMs }: WatchOptions): void {
  let owedSince: number | null = null
  let leaving = false
  const timer = setInterval(() => {
    const open = redis.status === 'ready' || redis.status === 'connect'
    if (!open || leaving) {
      owedSince = null
    } else if (owedSince === null) {
      owedSince = performance.now()
      // Before it is ready, the handshake is what is owed.
      if (redis.status === 'ready') void redis.ping().then(paid, paid)
    } else if (performance.now() - owedSince > deadlineMs) {
      leaving = true // until the socket is given up, which takes ioredis up to two seconds
      redis.disconnect(true)
    }
  }, everyMs)
  const paid = (): void => {
    owedSince = null
  }
  timer.unref()
  redis.on('ready', paid)
  redis.on('close', () => {
    leaving = false
  })
  redis.once('end', () => clearInterval(timer))
}
