import { createHash } from 'node:crypto'

/**
 * Loops share this many hash tags. All keys of a loop, the live set and the totals of its shard lie
 * in one slot of a cluster, so that one script may change them together; a tag a loop would give
 * finer spreading, but then totals and live set could not be kept in the same step.
 */
export const SHARDS = 32

const LOOP_ID = /^loop_[0-9a-f]{24}$/

/** Whether this is an id that `create` may have given. */
export const isLoopId = (id: string): boolean => LOOP_ID.test(id)

export type LoopKeys = {
  /** The five keys that every script gets, in this order. */
  readonly script: readonly [loop: string, events: string, seen: string, live: string, stats: string]
  readonly loop: string
  readonly events: string
  readonly seen: string
  readonly channel: string
}

/** Every Redis key and channel of the package, under one prefix. */
export function createKeys(prefix: string) {
  const shardKey = (shard: number, name: string): string => `${prefix}:loops:{loops-${shard}}:${name}`
  const tenantKey = (tenant: string, name: string): string => `${prefix}:loops:{tenant-${tenant}}:${name}`
  const live = (shard: number): string => shardKey(shard, 'live')
  const stats = (shard: number): string => shardKey(shard, 'stats')
  return {
    live,
    stats,
    loop: (id: string): LoopKeys => {
      const shard = shardOf(id)
      const loop = shardKey(shard, id)
      const events = `${loop}:events`
      const seen = `${loop}:seen`
      return { script: [loop, events, seen, live(shard), stats(shard)], loop, events, seen, channel: `${loop}:notes` }
    },
    index: (tenant: string): string => tenantKey(tenant, 'index'),
    /** The caller's key is hashed: it may be long and hold anything. */
    idempotency: (tenant: string, key: string): string => tenantKey(tenant, `idempotency:${sha256(key)}`),
    claim: (name: string): string => `${prefix}:loops:claim:${name}`,
  }
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** FNV-1a over the id: spreads evenly and is the same in every process. */
function shardOf(id: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash % SHARDS
}
