import type { AuditEntry, SpendLimits } from '@loopgate/contracts'
import type { Logger } from '@loopgate/service-kit'
import type { Link } from '../types.ts'
import { ringKeys } from './keys.ts'
import { type KeyRecord, keyRecordSchema } from './record.ts'

/** Keys and limits of tenants as Redis holds them at one version of the ring. */
export type Contents = {
  /** The last change that is in it: an id of the audit stream; null for none yet. */
  readonly version: string | null
  readonly records: ReadonlyMap<string, KeyRecord>
  readonly tenants: ReadonlyMap<string, SpendLimits>
}

export const EMPTY: Contents = Object.freeze({ version: null, records: new Map(), tenants: new Map() })

/** More changes than this at once are not looked up one by one. */
const CHANGES_MAX = 1_000

/** Reads the ring anew, as far as it has changed since; the same object if it has not, null if Redis is away. */
export type RingReader = (known: Contents) => Promise<Contents | null>

/**
 * Makes the reader. The audit says what has changed, so that one new key among ten thousand is one record
 * to read. A Redis that has lost the ring revokes nobody: what was known goes on until there is a ring again.
 */
export function createRingReader(
  { link, logger }: { link: Link; logger: Logger },
  { keyPrefix }: { keyPrefix: string },
): RingReader {
  const keys = ringKeys(keyPrefix)
  let toldLost = false

  return async function read(known) {
    const told = await link.attempt(async (redis) => [await redis.get(keys.version)])
    if (told === null) return null
    const [version = null] = told
    if (version === known.version) return known
    if (version === null) return lost(known)
    toldLost = false
    const changes = known.version === null ? null : await changesSince(known.version)
    if (changes === null || changes.length === 0) return await whole(version)
    return await changed(known, changes)
  }

  function lost(known: Contents): Contents {
    if (!toldLost) logger.error('Redis has lost the API keys: those that were known go on until this process ends')
    toldLost = true
    return known
  }

  async function whole(version: string): Promise<Contents | null> {
    const read = await link.attempt(
      async (redis) => await Promise.all([redis.hgetall(keys.keys), redis.hgetall(keys.tenants)]),
      { patient: true },
    )
    if (read === null) return null
    const [records, tenants] = read.map((fields) => Object.entries(fields))
    return { version, records: parsed(records, new Map(), readRecord), tenants: parsed(tenants, new Map(), readLimits) }
  }

  async function changed(known: Contents, changes: readonly Change[]): Promise<Contents | null> {
    const subjects = (what: string): string[] => [
      ...new Set(changes.filter(({ action }) => action.startsWith(what)).map(({ subject }) => subject)),
    ]
    const [ids, names] = [subjects('key.'), subjects('tenant.')]
    const read = await link.attempt(
      async (redis) =>
        await Promise.all([
          ids.length === 0 ? [] : redis.hmget(keys.keys, ...ids),
          names.length === 0 ? [] : redis.hmget(keys.tenants, ...names),
        ]),
      { patient: true },
    )
    if (read === null) return null
    const [records, tenants] = read
    return {
      version: changes.at(-1)?.id ?? known.version,
      records: parsed(pairs(ids, records), known.records, readRecord),
      tenants: parsed(pairs(names, tenants), known.tenants, readLimits),
    }
  }

  /** The changes after a version, oldest first; null if they are too many, or this is not the ring that had it. */
  async function changesSince(version: string): Promise<readonly Change[] | null> {
    const entries = await link.attempt((redis) => redis.xrange(keys.audit, version, '+', 'COUNT', CHANGES_MAX + 1))
    const [seen, ...later] = entries ?? []
    if (seen?.[0] !== version || later.length >= CHANGES_MAX) return null
    try {
      return later.map(([id, [, text = '']]) => ({ ...(JSON.parse(text) as AuditEntry), id }))
    } catch {
      return null
    }
  }

  /** A record of a newer version of Loopgate that this one does not understand grants nothing. */
  function parsed<T>(
    fields: readonly (readonly [string, string | null])[] | undefined,
    known: ReadonlyMap<string, T>,
    parse: (text: string) => T,
  ): ReadonlyMap<string, T> {
    const read = new Map(known)
    for (const [name, text] of fields ?? []) {
      read.delete(name)
      if (text === null) continue
      try {
        read.set(name, parse(text))
      } catch {
        logger.error({ name }, 'a record of the key ring cannot be read and is left out')
      }
    }
    return read
  }
}

type Change = Pick<AuditEntry, 'id' | 'action' | 'subject'>

const pairs = (names: readonly string[], values: readonly (string | null)[]): [string, string | null][] =>
  names.map((name, index) => [name, values[index] ?? null])
const readRecord = (text: string): KeyRecord => keyRecordSchema.parse(JSON.parse(text))
const readLimits = (text: string): SpendLimits => JSON.parse(text) as SpendLimits
