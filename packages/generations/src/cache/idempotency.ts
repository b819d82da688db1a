import { createHash } from 'node:crypto'
import { fault } from '@loopgate/service-kit'
import { LRUCache } from 'lru-cache'
import type { Connection } from './connection.ts'
import { idempotencyKey } from './keys.ts'

/** What the idempotency keys of tenants were used for. */
export type Idempotency = {
  /**
   * Binds a tenant's idempotency key to a request and the generation that answers it, or gives the
   * generation that it was bound to before. `request` is a digest of what was asked.
   * @throws LoopgateError LG_CONFLICT if it was used for another request
   */
  readonly bind: (tenant: string, name: string, request: string, key: string) => Promise<string>
}

/** How long an idempotency key is remembered, and what it gave. */
export const IDEMPOTENCY_MS = 24 * 3_600_000
/** Idempotency keys that a process remembers while Redis is away. */
const REMEMBERED = 10_000

export function createIdempotency(
  { connection, now }: { connection: Connection | null; now: () => number },
  { prefix }: { prefix: string },
): Idempotency {
  const local = new LRUCache<string, string>({ max: REMEMBERED, ttl: IDEMPOTENCY_MS, ttlResolution: 0, perf: { now } })

  return {
    async bind(tenant, name, request, key) {
      const digest = createHash('sha256').update(`${tenant}\n${name}`).digest('hex')
      const value = `${request} ${key}`
      const reply = await connection?.attempt(async (redis) => ({
        before: await redis.set(idempotencyKey(prefix, digest), value, 'PX', IDEMPOTENCY_MS, 'NX', 'GET'),
      }))
      const before = reply?.before ?? local.get(digest) ?? value
      if (!local.has(digest)) local.set(digest, before)
      const [boundRequest, boundKey = key] = before.split(' ', 2)
      if (boundRequest === request) return boundKey
      throw fault('LG_CONFLICT', {
        message: 'idempotency-key: it was used for another request within the last 24 hours',
        param: 'idempotency-key',
      })
    },
  }
}
