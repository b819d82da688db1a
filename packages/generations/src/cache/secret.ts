import { randomBytes } from 'node:crypto'
import type { Logger, Secret } from '@loopgate/service-kit'
import type { Connection } from './connection.ts'
import { secretKey } from './keys.ts'

/**
 * The secret that keys are made with: the operator's, else one that the first replica puts into
 * Redis for all. Without Redis it is this process's own, and what it keeps is not found by others.
 */
export async function installationSecret(
  { connection, logger }: { connection: Connection | null; logger: Logger },
  { secret, prefix }: { secret: Secret | undefined; prefix: string },
): Promise<string> {
  if (secret !== undefined) return secret.reveal()
  const fresh = randomBytes(32).toString('hex')
  if (connection === null) return fresh
  const shared = await connection.attempt(async (redis) => {
    await redis.set(secretKey(prefix), fresh, 'NX')
    return await redis.get(secretKey(prefix))
  })
  if (shared !== null) return shared
  logger.warn('Redis is away and LOOPGATE_CACHE_SECRET is not set: this process shares no generations with others')
  return fresh
}
