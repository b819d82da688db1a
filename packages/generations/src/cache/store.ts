import type { Logger } from '@loopgate/service-kit'
import { FENCE_MS } from '../replicas/claims.ts'
import { flightKey } from '../replicas/keys.ts'
import { scripted } from '../replicas/scripts.ts'
import type { Connection } from './connection.ts'
import { decodeEntry, encodeEntry, type Entry } from './entry.ts'
import { generationKey } from './keys.ts'
import type { Writer } from './writer.ts'

/** Generations in Redis, shared by all replicas. Never throws: what fails is a miss. */
export type Store = {
  readonly get: (key: string) => Promise<Entry | null>
  /** Reads a value that came from Redis; null if it must not be used. */
  readonly read: (key: string, value: Buffer) => Promise<Entry | null>
  /**
   * Writes an answer and ends its lead; refused if another leads by now. `token` is null for an
   * answer that was led while Redis was away. Resolves when it is there, or given up.
   */
  readonly set: (key: string, entry: Entry, token: string | null | Promise<string | null>) => Promise<void>
}

export type StoreOptions = {
  readonly prefix: string
  /** A number from 0 to 1: what was stored together must not expire together. */
  readonly random: () => number
}

/** Lifetimes are spread by this share to either side. */
const JITTER = 0.1

export function createStore(
  { connection, writer, logger }: { connection: Connection; writer: Writer; logger: Logger },
  { prefix, random }: StoreOptions,
): Store {
  return {
    async get(key) {
      const value = await connection.attempt((redis) => redis.getBuffer(generationKey(prefix, key)))
      return value === null ? null : await read(key, value)
    },
    read,
    async set(key, entry, token) {
      const lifeMs = Math.max(1, Math.round(entry.facts.lifeMs * (1 + JITTER * (2 * random() - 1))))
      const value = await encodeEntry(key, entry)
      const fence = (await token) ?? ''
      const stored = await writer.write(value.length, (redis) =>
        scripted(redis).lgStore(generationKey(prefix, key), flightKey(prefix, key), fence, value, lifeMs, FENCE_MS),
      )
      if (stored === 0) logger.info({ key }, 'an answer came after another replica had taken the lead: it is not kept')
    },
  }

  async function read(key: string, value: Buffer): Promise<Entry | null> {
    try {
      return await decodeEntry(key, value)
    } catch (error) {
      logger.error({ err: error, key }, 'a stored generation is refused')
      return null
    }
  }
}
