import { TERMINAL_STATES, type LoopEvent, type LoopState, type LoopView, type Verdict } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { toView } from './fields.ts'
import { isLoopId, SHARDS, type createKeys } from './keys.ts'
import type { LiveLoop, LoopStats, LoopStore } from './types.ts'

type Reading = Pick<LoopStore, 'get' | 'creator' | 'list' | 'eventsAfter' | 'stats' | 'live'>

const MAX_PAGE = 200
/** Index pages read for one answer when a state is asked for; past it the page is short and `next` goes on. */
const MAX_SCANNED_PAGES = 5
/** An index entry younger than this may belong to a loop that is just being created. */
const SETTLED_MS = 60_000

/** The part of the store that changes nothing, but for index entries of loops that have expired. */
export function createReading(redis: Redis, clock: Clock, keys: ReturnType<typeof createKeys>): Reading {
  const get: Reading['get'] = async (id) => {
    if (!isLoopId(id)) return null
    const fields = await redis.hgetall(keys.loop(id).loop)
    if (fields['state'] === undefined) return null
    return { tenant: fields['tenant'] ?? '', view: toView(id, fields) }
  }

  return {
    get,

    creator: async (id) => {
      if (!isLoopId(id)) return null
      const [tenant, keyId] = await redis.hmget(keys.loop(id).loop, 'tenant', 'keyId')
      // Without a key it was made by a version that did not write it down.
      return tenant == null ? null : { tenant, keyId: keyId ?? '' }
    },

    list: async (tenant, { after, limit, state }) => {
      const index = keys.index(tenant)
      const wanted = Math.min(Math.max(limit, 1), MAX_PAGE)
      const loops: LoopView[] = []
      let cursor = after === undefined ? '+' : `(${after}`
      for (let scanned = 1; ; scanned += 1) {
        const members = await redis.zrange(index, cursor, '-', 'BYLEX', 'REV', 'LIMIT', 0, wanted)
        const found = await Promise.all(members.map((member) => get(loopOfEntry(member).id)))
        for (const [position, member] of members.entries()) {
          const view = found[position]?.view
          if (view === undefined) await dropEntry(redis, clock, index, member)
          else if (state === undefined || view.state === state) loops.push(view)
          if (loops.length === wanted) return { loops, next: member }
        }
        const last = members.at(-1)
        if (last === undefined || members.length < wanted) return { loops, next: null }
        if (scanned === MAX_SCANNED_PAGES) return { loops, next: last }
        cursor = `(${last}`
      }
    },

    eventsAfter: async (id, seq, limit) => {
      if (!isLoopId(id) || limit < 1) return []
      const from = Math.max(seq, 0)
      const texts = await redis.lrange(keys.loop(id).events, from, from + limit - 1)
      return texts.map((text) => JSON.parse(text) as LoopEvent)
    },

    stats: async () => {
      const shards = await Promise.all(Array.from({ length: SHARDS }, (_, shard) => redis.hgetall(keys.stats(shard))))
      return total(shards)
    },

    live: async (cursor, limit) => {
      const [shard = 0, scan = '0'] = cursor === '' ? [] : [Number(cursor.split(':')[0]), cursor.split(':')[1]]
      const [next, flat] = await redis.zscan(keys.live(shard), scan, 'COUNT', limit)
      const ids = flat.filter((_, index) => index % 2 === 0)
      const loops = await Promise.all(ids.map((id) => readLive(redis, keys, shard, id)))
      const following = next === '0' ? `${shard + 1}:0` : `${shard}:${next}`
      return {
        loops: loops.filter((loop) => loop !== null),
        next: following === `${SHARDS}:0` ? null : following,
      }
    },
  }
}

/** Entries sort by creation: newest first is a reversed range, and a cursor is an entry itself. */
export const indexEntry = (createdAtMs: number, id: string): string => `${String(createdAtMs).padStart(15, '0')}:${id}`

function loopOfEntry(member: string): { createdAtMs: number; id: string } {
  const [createdAt = '', id = ''] = member.split(':')
  return { createdAtMs: Number(createdAt), id }
}

async function dropEntry(redis: Redis, clock: Clock, index: string, member: string): Promise<void> {
  if (clock.wallNow() - loopOfEntry(member).createdAtMs > SETTLED_MS) await redis.zrem(index, member)
}

/** Removes up to `count` of the oldest entries whose loops have expired, so that an index nobody lists stays bounded. */
export async function trimIndex(
  redis: Redis,
  clock: Clock,
  keys: ReturnType<typeof createKeys>,
  tenant: string,
  count: number,
): Promise<void> {
  const index = keys.index(tenant)
  for (const member of await redis.zrange(index, '0', String(count - 1))) {
    if ((await redis.exists(keys.loop(loopOfEntry(member).id).loop)) === 0) {
      await dropEntry(redis, clock, index, member)
    }
  }
}

async function readLive(
  redis: Redis,
  keys: ReturnType<typeof createKeys>,
  shard: number,
  id: string,
): Promise<LiveLoop | null> {
  const [state, updatedAt] = await redis.hmget(keys.loop(id).loop, 'state', 'updatedAt')
  if (!state || TERMINAL_STATES.has(state as LoopState)) {
    await redis.zrem(keys.live(shard), id)
    return null
  }
  return { id, state: state as LoopState, updatedAtMs: Number(updatedAt) }
}

function total(shards: ReadonlyArray<Readonly<Record<string, string>>>): LoopStats {
  const sums: Record<string, number> = {}
  for (const shard of shards) {
    for (const [name, value] of Object.entries(shard)) sums[name] = (sums[name] ?? 0) + Number(value)
  }
  const verdict = (name: Verdict): number => sums[`verdict:${name}`] ?? 0
  const states = Object.entries(sums).filter(([name]) => name.startsWith('state:'))
  return {
    iterationsByVerdict: { pass: verdict('pass'), fail: verdict('fail'), error: verdict('error') },
    loopsByState: Object.fromEntries(states.map(([name, value]) => [name.slice('state:'.length), value])),
    duplicates: sums['duplicates'] ?? 0,
    executions: sums['executions'] ?? 0,
    tokens: sums['tokens'] ?? 0,
  }
}
