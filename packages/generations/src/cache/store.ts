import type { Logger } from '@loopgate/service-kit'
import type { Connection } from './connection.ts'
import { decodeEntry, encodeEntry, type Entry } from './entry.ts'
import { generationKey } from './keys.ts'

/** Generations in Redis, shared by all replicas. Never throws: what fails is a miss. */
export type Store = {
  readonly get: (key: string) => Promise<Entry | null>
  readonly set: (key: string, entry: Entry) => Promise<void>
}

export type StoreOptions = {
  readonly prefix: string
  readonly ttlMs: number
  /** A number from 0 to 1: what was stored together must not expire together. */
  readonly random: () => number
}

/** Lifetimes are spread by this share to either side. */
const JITTER = 0.1
/** Larger values are written on their own (PSETEX is not batched), so that no other command waits behind them. */
const BATCHED_BYTES = 16 * 1024

export function createStore(
  { connection, logger }: { connection: Connection; logger: Logger },
  { prefix, ttlMs, random }: StoreOptions,
): Store {
  return {
    async get(key) {
      const value = await connection.attempt((redis) => redis.getBuffer(generationKey(prefix, key)))
      if (value === null) return null
      try {
        return await decodeEntry(key, value)
      } catch (error) {
        logger.error({ err: error, key }, 'a stored generation is refused')
        return null
      }
    },
    async set(key, entry) {
      const lifeMs = Math.max(1, Math.round(ttlMs * (1 + JITTER * (2 * random() - 1))))
      const value = await encodeEntry(key, entry)
      const name = generationKey(prefix, key)
      await connection.attempt((redis) =>
        value.length <= BATCHED_BYTES ? redis.set(name, value, 'PX', lifeMs) : redis.psetex(name, lifeMs, value),
      )
    },
  }
}
