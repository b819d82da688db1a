import type { LoopState, LoopView } from '@loopgate/contracts'
import { fault, newId, type Clock } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { commitArgs } from './commit.ts'
import { pairs, toSnapshot } from './fields.ts'
import { createGuard } from './guard.ts'
import { createKeys, isLoopId, sha256 } from './keys.ts'
import { createNotices } from './notices.ts'
import { createReading, indexEntry, trimIndex } from './reading.ts'
import { createScripts, type ScriptName } from './scripts.ts'
import type { CommitResult, LoopStore } from './types.ts'

const DEFAULT_RETENTION_SECONDS = 7 * 24 * 60 * 60

export type LoopStoreDeps = { readonly redis: Redis; readonly clock: Clock }
export type LoopStoreOptions = {
  readonly keyPrefix: string
  /** How long an ended loop and an idempotency key are kept; default seven days. */
  readonly retentionSeconds?: number
}

/** The durable loops of one Redis; see LoopStore for what each method promises. */
export function createLoopStore({ redis, clock }: LoopStoreDeps, options: LoopStoreOptions): LoopStore {
  const retentionSeconds = options.retentionSeconds ?? DEFAULT_RETENTION_SECONDS
  const keys = createKeys(options.keyPrefix)
  const guard = createGuard(redis)
  const scripts = createScripts(redis)
  const notices = createNotices(redis)
  const reading = createReading(redis, clock, keys)

  const run = (name: ScriptName, id: string, args: ReadonlyArray<string | number> = [], nowMs = clock.wallNow()) => {
    const { script, channel } = keys.loop(id)
    const now = Math.trunc(nowMs)
    return scripts(name, script, [id, now, new Date(now).toISOString(), channel, retentionSeconds, ...args])
  }

  /** The id and creation time under the key: ours, or those of whoever was first. */
  const claimKey = async (tenant: string, key: string, body: string, id: string, nowMs: number) => {
    const digest = sha256(body)
    const text = `${id} ${nowMs} ${digest}`
    const held = await redis.set(keys.idempotency(tenant, key), text, 'EX', retentionSeconds, 'NX', 'GET')
    const [heldId = '', heldAt, heldDigest] = (held ?? text).split(' ')
    if (heldDigest !== digest) {
      throw fault('LG_CONFLICT', { message: 'The idempotency key was used before, with another body' })
    }
    return { id: heldId, nowMs: Number(heldAt) }
  }

  const read = async (id: string): Promise<LoopView | null> => (await reading.get(id))?.view ?? null

  /** Runs a script that answers -1 for a loop that is not there, then reads the loop. */
  const change = (name: 'cancel' | 'resume', id: string, args: readonly string[]) =>
    guard(async () => {
      if (!isLoopId(id) || (await run(name, id, args)) === -1) return null
      return read(id)
    })

  return {
    create: ({ tenant, keyId }, request, idempotencyKey) =>
      guard(async () => {
        const body = JSON.stringify(request)
        let id = newId('loop')
        let nowMs = Math.trunc(clock.wallNow())
        if (idempotencyKey !== undefined) {
          ;({ id, nowMs } = await claimKey(tenant, idempotencyKey, body, id, nowMs))
        }
        // Indexed first: readers skip an entry without a loop, but would never find a loop without an entry.
        await redis.zadd(keys.index(tenant), 0, indexEntry(nowMs, id))
        const created = (await run('create', id, [tenant, body, keyId], nowMs)) === 1
        await trimIndex(redis, clock, keys, tenant, 2)
        const loop = await read(id)
        if (loop === null) throw new Error(`loop ${id} vanished while it was created`)
        return { loop, created }
      }),

    get: (id) => guard(() => reading.get(id)),
    creator: (id) => guard(() => reading.creator(id)),
    list: (tenant, page) => guard(() => reading.list(tenant, page)),
    eventsAfter: (id, seq, limit) => guard(() => reading.eventsAfter(id, seq, limit)),
    stats: () => guard(reading.stats),
    live: (cursor, limit) => guard(() => reading.live(cursor, limit)),
    onEvents: (id, listener) => notices.listen(keys.loop(id).channel, listener),

    cancel: (id) => change('cancel', id, ['cancelled by request']),
    resume: (id) => change('resume', id, []),

    acquire: (id) =>
      guard(async () => {
        if (!isLoopId(id)) return null
        const [, fence, barren, flat] = (await run('acquire', id)) as [string, number, number, string[]]
        if (fence === 0) return null
        // Read after the fence was raised: nobody else's commit can come in between.
        const seen = await redis.hgetall(keys.loop(id).seen)
        return { fence, barrenAcquires: barren, snapshot: toSnapshot(id, pairs(flat), seen) }
      }),

    commit: (id, fence, commit) =>
      guard(async () => {
        const [result, state] = (await run('commit', id, commitArgs(fence, commit))) as [
          CommitResult['result'] | 'gap',
          string,
        ]
        if (result === 'gap') throw new Error(`commit of loop ${id} leaves out an iteration`)
        return { result, state: state === '' ? null : (state as LoopState) }
      }),

    claim: (name, ms) => guard(async () => (await redis.set(keys.claim(name), '1', 'PX', ms, 'NX')) === 'OK'),
    close: async () => notices.close(),
  }
}
