import type { ConfiguredKey, Principal, SpendLimits } from '@loopgate/contracts'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { Link } from '../types.ts'
import { ringKeys } from './keys.ts'
import { createMirror, type Mirror } from './mirror.ts'
import { type KeyRecord, keyRecordSchema } from './record.ts'

export type Ring = {
  /** Who presents a secret with this SHA-256 (hex), as this replica knows it; null for nobody. Never waits. */
  readonly find: (sha256: string) => Principal | null
  readonly mirror: () => Mirror
  /** Grows with every change that this replica has seen. */
  readonly version: () => number
  /** Reads the ring anew; false if Redis is away. */
  readonly refresh: () => Promise<boolean>
  readonly close: () => void
}

/** A change made on another replica is seen after so long at most: a revoked key works for half a second. */
const POLL_MS = 500

/**
 * The keys of the installation, mirrored whole in this process, so that a request needs no command to
 * be known. One small command twice a second asks for the version; pub/sub would be quicker but loses
 * what is said while a connection is down. While Redis is away the last mirror goes on.
 */
export function createRing(
  { link, clock, logger }: { link: Link | null; clock: Clock; logger: Logger },
  { keyPrefix, configured }: { keyPrefix: string; configured: readonly ConfiguredKey[] },
): Ring {
  const keys = ringKeys(keyPrefix)
  let mirror = createMirror(configured, new Map(), new Map())
  let seen: string | null = null
  let version = 0
  let closed = false
  if (link !== null) clock.after(POLL_MS, poll)

  return {
    find: (sha256) => mirror.find(sha256, clock.wallNow()),
    mirror: () => mirror,
    version: () => version,
    refresh,
    close: () => void (closed = true),
  }

  function poll(): void {
    if (closed) return
    void refresh().finally(() => clock.after(POLL_MS, poll))
  }

  async function refresh(): Promise<boolean> {
    if (link === null) return false
    const told = await link.attempt(async (redis) => [await redis.get(keys.version)])
    if (told === null || closed) return false
    const [latest = null] = told
    if (latest === seen) return true
    const read = await link.attempt(
      async (redis) => await Promise.all([redis.hgetall(keys.keys), redis.hgetall(keys.tenants)]),
    )
    if (read === null) return false
    const [records, tenants] = read
    mirror = createMirror(configured, parsed(records, readRecord), parsed(tenants, readLimits))
    seen = latest
    version++
    return true
  }

  /** A record of a newer version of Loopgate that this one does not understand grants nothing. */
  function parsed<T>(fields: Readonly<Record<string, string>>, parse: (text: string) => T): Map<string, T> {
    const read = new Map<string, T>()
    for (const [name, text] of Object.entries(fields)) {
      try {
        read.set(name, parse(text))
      } catch {
        logger.error({ name }, 'a record of the key ring cannot be read and is left out')
      }
    }
    return read
  }
}

const readRecord = (text: string): KeyRecord => keyRecordSchema.parse(JSON.parse(text))
const readLimits = (text: string): SpendLimits => JSON.parse(text) as SpendLimits
