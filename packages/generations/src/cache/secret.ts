import { randomBytes } from 'node:crypto'
import type { Clock, Logger, Secret } from '@loopgate/service-kit'
import type { Connection } from './connection.ts'
import { secretKey } from './keys.ts'

/** The secret that keys are made with, the same for all replicas of an installation. */
export type InstallationSecret = {
  /** Known a second after the start at most. */
  readonly first: Promise<string>
  /** Told of the installation's secret, should Redis come only after this process had to take one of its own. */
  readonly changed: (listener: (secret: string) => void) => void
  readonly close: () => void
}

/** How often a process that had to take a secret of its own asks for the installation's. */
const RETRY_MS = 1000

/**
 * The operator's secret, else one that the first replica puts into Redis for all. While Redis is away
 * it is this process's own, and what it keeps is not found by others; once Redis is there the process
 * takes the shared one, and begins anew with its keys.
 */
export function installationSecret(
  { connection, logger, clock }: { connection: Connection | null; logger: Logger; clock: Clock },
  { secret, prefix }: { secret: Secret | undefined; prefix: string },
): InstallationSecret {
  const own = randomBytes(32).toString('hex')
  const listeners: ((secret: string) => void)[] = []
  let closed = false
  let cancel = (): void => {}

  const shared = async (): Promise<string | null> =>
    connection?.attempt(async (redis) => {
      await redis.set(secretKey(prefix), own, 'NX')
      return await redis.get(secretKey(prefix))
    }) ?? null

  const find = async (): Promise<string> => {
    if (secret !== undefined) return secret.reveal()
    if (connection === null) return own
    const found = await shared()
    if (found !== null) return found
    logger.warn('Redis is away and LOOPGATE_CACHE_SECRET is not set: this process shares no generations with others')
    askLater()
    return own
  }
  const askLater = (): void => {
    if (!closed) cancel = clock.after(RETRY_MS, () => void askAgain())
  }
  const askAgain = async (): Promise<void> => {
    const found = await shared()
    if (closed) return
    if (found === null) return askLater()
    logger.info('Redis is there: this process shares generations with others from now on')
    if (found !== own) for (const listener of listeners) listener(found)
  }

  return {
    first: find(),
    changed: (listener) => void listeners.push(listener),
    close() {
      closed = true
      cancel()
    },
  }
}
