import type { Clock } from '@loopgate/service-kit'
import type { Connection } from './connection.ts'
import { namespaceKeys } from './keys.ts'
import type { Memory } from './memory.ts'
import { scripted } from '../replicas/scripts.ts'

/**
 * The version of each scope's namespace, which is part of every key: raising it purges the scope at
 * once, however much is stored. A replica looks at most once in `FRESH_MS` for a scope that is in
 * use, so that a purge, and the dropping of one key, reaches all within this time.
 */
export type Namespaces = {
  /** At once if it was looked up a moment ago. While Redis is away the last one known counts. */
  readonly version: (scope: string) => number | Promise<number>
  /** Raises the version; null if Redis is away. */
  readonly purge: (scope: string) => Promise<number | null>
  /** Drops one generation from the memories of all replicas; false if Redis is away. */
  readonly drop: (scope: string, key: string) => Promise<boolean>
}

type Seen = { version: number; drops: number; at: number; pending: Promise<number> | null }

/** How long a version is taken to be the newest. */
const FRESH_MS = 1000
/** Dropped keys that are remembered; a replica that has missed more empties its memory. */
const REMEMBERED = 1000

export function createNamespaces(
  { connection, memory, clock }: { connection: Connection | null; memory: Memory; clock: Clock },
  { prefix }: { prefix: string },
): Namespaces {
  const scopes = new Map<string, Seen>()

  return {
    version(scope) {
      const seen = seenOf(scope)
      if (connection === null || clock.now() - seen.at < FRESH_MS) return seen.version
      seen.pending ??= look(connection, scope, seen).finally(() => (seen.pending = null))
      return seen.pending
    },
    async purge(scope) {
      const seen = seenOf(scope)
      if (connection === null) return ++seen.version
      const [namespace] = namespaceKeys(prefix, scope)
      const version = await connection.attempt((redis) => redis.hincrby(namespace, 'version', 1))
      if (version !== null) seen.version = version
      return version
    },
    async drop(scope, key) {
      memory.delete(key)
      if (connection === null) return true
      const [namespace, dropped] = namespaceKeys(prefix, scope)
      const count = await connection.attempt((redis) => scripted(redis).lgDrop(namespace, dropped, key, REMEMBERED))
      return count !== null
    },
  }

  function seenOf(scope: string): Seen {
    let seen = scopes.get(scope)
    if (seen === undefined) {
      seen = { version: 0, drops: -1, at: Number.NEGATIVE_INFINITY, pending: null }
      scopes.set(scope, seen)
    }
    return seen
  }

  async function look(redis: Connection, scope: string, seen: Seen): Promise<number> {
    const [namespace, dropped] = namespaceKeys(prefix, scope)
    // The age counts from the asking: whatever is raised after it may not be in the answer.
    const at = clock.now()
    const found = await redis.attempt((client) => client.hmget(namespace, 'version', 'drops'))
    if (found === null) {
      seen.at = at
      return seen.version
    }
    const [version, drops] = [Number(found[0] ?? 0), Number(found[1] ?? 0)]
    // Redis has forgotten: keys of an older version may be in use again.
    if (version < seen.version) memory.clear()
    seen.version = version
    if (seen.drops >= 0 && drops !== seen.drops) await catchUp(redis, dropped, drops - seen.drops)
    seen.drops = drops
    seen.at = at
    return seen.version
  }

  async function catchUp(redis: Connection, dropped: string, missed: number): Promise<void> {
    const keys =
      missed > 0 && missed <= REMEMBERED ? await redis.attempt((client) => client.lrange(dropped, 0, missed - 1)) : null
    if (keys === null || keys.length < missed) memory.clear()
    else for (const key of keys) memory.delete(key)
  }
}
