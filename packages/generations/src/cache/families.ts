import { sampleOf } from '@loopgate/cache-key'
import type { VerdictRecord } from '@loopgate/contracts'
import type { Connection } from './connection.ts'
import { familyKeys, generationKey } from './keys.ts'
import { createLocalFamilies } from './local-families.ts'
import { scripted, type Scripted } from '../replicas/scripts.ts'

/** Which samples of a request are stored, and what was judged of them. Kept in Redis, here while it is away. */
export type Families = {
  /** This replica has a sample; what it knows by itself counts while Redis is away. */
  readonly noted: (key: string, lifeMs: number) => void
  /** A sample has been stored in Redis; a verdict on the answer before it is gone. */
  readonly stored: (key: string, lifeMs: number) => Promise<void>
  /** One of the stored samples, or of those that passed; null if there is none. */
  readonly choose: (family: string, among: 'any' | 'best') => Promise<number | null>
  /** The lowest sample index that is not stored. */
  readonly unused: (family: string) => Promise<number>
  /** A sample index that nobody has used. */
  readonly fresh: (family: string) => Promise<number>
  /** Writes a verdict; false if the sample is not stored. */
  readonly judge: (key: string, verdict: VerdictRecord) => Promise<boolean>
  readonly verdict: (key: string) => Promise<VerdictRecord | null>
  /** Deletes the entry in Redis and what is recorded of it; null if Redis is away. */
  readonly forget: (key: string) => Promise<boolean | null>
}

/** Samples below are for callers to name; `new` gives out those from here on. */
const FIRST_FRESH = 1_000_000
/** While Redis is away `new` gives out random ones from here on: other replicas do so too. */
const FIRST_RANDOM = 500_000_000
const LAST = 999_999_999

export function createFamilies(
  { connection, now }: { connection: Connection | null; now: () => number },
  { prefix, ttlMs, random }: { prefix: string; ttlMs: number; random: () => number },
): Families {
  const local = createLocalFamilies(now, random)

  return {
    noted: (key, lifeMs) => local.stored(key, lifeMs),
    async stored(key, lifeMs) {
      await attempt((redis) => redis.lgStored(...familyKeys(prefix, key), sampleOf(key), lifeMs))
    },
    async choose(family, among) {
      const [samples, passed] = familyKeys(prefix, family)
      const reply = await attempt(async (redis) => ({
        index: await redis.lgChoose(among === 'best' ? passed : samples, random()),
      }))
      if (reply === null) return local.choose(family, among)
      return reply.index === null ? null : Number(reply.index)
    },
    async unused(family) {
      const [samples] = familyKeys(prefix, family)
      return (await attempt((redis) => redis.lgUnused(samples))) ?? local.unused(family)
    },
    async fresh(family) {
      const [samples, , record] = familyKeys(prefix, family)
      const index = await attempt((redis) => redis.lgFresh(samples, record, FIRST_FRESH, ttlMs))
      if (index !== null) return index
      if (connection === null) return local.fresh(family, FIRST_FRESH)
      return FIRST_RANDOM + Math.floor(random() * (LAST - FIRST_RANDOM))
    },
    async judge(key, verdict) {
      const pass = verdict.verdict === 'pass' ? 1 : 0
      const done = await attempt((redis) =>
        redis.lgJudge(...familyKeys(prefix, key), sampleOf(key), JSON.stringify(verdict), pass),
      )
      return done === null ? local.judge(key, verdict) : done === 1
    },
    async verdict(key) {
      const [, , record] = familyKeys(prefix, key)
      const reply = await connection?.attempt(async (redis) => ({
        text: await redis.hget(record, `verdict:${sampleOf(key)}`),
      }))
      if (reply === null || reply === undefined) return local.verdict(key)
      return reply.text === null ? null : (JSON.parse(reply.text) as VerdictRecord)
    },
    async forget(key) {
      if (connection === null) {
        local.forget(key)
        return true
      }
      const done = await attempt((redis) =>
        redis.lgForget(generationKey(prefix, key), ...familyKeys(prefix, key), sampleOf(key)),
      )
      if (done === null) return null
      local.forget(key)
      return done === 1
    },
  }

  async function attempt<T>(run: (redis: Scripted) => Promise<T>): Promise<T | null> {
    return connection === null ? null : await connection.attempt((redis) => run(scripted(redis)))
  }
}
