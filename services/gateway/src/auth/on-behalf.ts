import type { Principal, Scope } from '@loopgate/contracts'
import type { Ring } from '@loopgate/limits'
import type { LoopCreator } from '@loopgate/loop-store'
import { fault } from '@loopgate/service-kit'
import { LRUCache } from 'lru-cache'
import { need, type LoopServices } from '../loops/loop-services.ts'

/**
 * Whom a call is made for that names a loop: its creator as the key stands now, so that a loop has the
 * limits, models, cache and tenant of the key that made it, and ends being able to do anything with it.
 * @throws LG_NOT_FOUND for a loop that does not exist, LG_FORBIDDEN if the creator's key is revoked,
 *   has expired or is gone, LG_STORE_UNAVAILABLE
 */
export type OnBehalf = (loopId: string) => Promise<Principal>

/** Loops whose creator is remembered; a creator never changes. */
const REMEMBERED = 10_000
/** What a loop does through its worker. Whoever made it needs no scope of these beside `loops`. */
const SCOPES: ReadonlySet<Scope> = new Set<Scope>(['complete', 'execute'])

export function createOnBehalf({ ring, loops }: { ring: Pick<Ring, 'holder'>; loops: LoopServices | null }): OnBehalf {
  const creators = new LRUCache<string, LoopCreator>({ max: REMEMBERED })

  async function creatorOf(loopId: string): Promise<LoopCreator> {
    const known = creators.get(loopId)
    if (known !== undefined) return known
    const creator = await need(loops).store.creator(loopId)
    if (creator === null) throw fault('LG_NOT_FOUND', { message: 'There is no such loop' })
    creators.set(loopId, creator)
    return creator
  }

  return async (loopId) => {
    const { tenant, keyId } = await creatorOf(loopId)
    const holder = ring.holder(keyId)
    if (holder === null || holder.tenant !== tenant) {
      throw fault('LG_FORBIDDEN', { message: 'The API key that made the loop is revoked, has expired or is gone' })
    }
    return { ...holder, scopes: SCOPES }
  }
}
