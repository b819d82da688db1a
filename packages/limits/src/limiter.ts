import { type Clock, createTally, newId, type Registry } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { keyBook, tenantBook } from './keys.ts'
import { createLocal } from './local.ts'
import { booksOf, isLimited, limitNames, type Payer } from './payer.ts'
import { refused } from './refuse.ts'
import type { Scripted } from './scripts.ts'
import { createSettlements } from './settlements.ts'
import type { Amount, Ask, Link, Reservation, Usage } from './types.ts'

export type LimiterDeps = {
  /** With the scripts of this package defined on it; null without Redis, when this replica is the only one. */
  readonly link: Link | null
  readonly clock: Clock
  readonly registry: Registry
  /** How many replicas share the limits while Redis is away. */
  readonly replicas: () => number
}

export type LimiterOptions = {
  readonly keyPrefix: string
  /** How long a reservation outlives its replica, in ms. */
  readonly leaseMs?: number
}

export type Limiter = {
  /**
   * Reserves for a request, at once where nothing limits it.
   * Rejects with LoopgateError LG_LIMIT_REACHED or LG_BUDGET_SPENT, with nothing reserved.
   */
  readonly reserve: (payer: Payer, ask: Ask) => Reservation | Promise<Reservation>
  /** What a tenant, or one key of it, has used; null if Redis is away. */
  readonly usage: (tenant: string, keyId: string | null) => Promise<Usage | null>
  /** Enters what is not yet in Redis. */
  readonly close: () => Promise<void>
}

/** A replica that died holds what it reserved for so long; a living one renews three times as often. */
const LEASE_MS = 30_000

/** Makes the limiter of a gateway replica. */
export function createLimiter({ link, clock, registry, replicas }: LimiterDeps, options: LimiterOptions): Limiter {
  const { keyPrefix: prefix, leaseMs = LEASE_MS } = options
  const local = createLocal({ wallNow: clock.wallNow, replicas: () => (link === null ? 1 : replicas()) }, { prefix })
  const settlements = createSettlements({ link, clock, onBack: local.clear }, { prefix, leaseMs })
  const refusals = createTally(registry, {
    name: 'loopgate_limit_refusals_total',
    help: 'Requests that a limit of their key or tenant refused',
    labelNames: ['tenant', 'whose', 'limit'],
  })

  return {
    reserve: (payer, ask) => (isLimited(payer) ? reserve(payer, ask) : settlements.unlimited(payer)),
    async usage(tenant, keyId) {
      const [book, leases] = keyId === null ? tenantBook(prefix, tenant) : keyBook(prefix, tenant, keyId)
      await settlements.flush()
      const reply = await link?.attempt((redis) => scripted(redis).lgUsage(book, leases))
      return reply === null || reply === undefined ? null : usageOf(reply.map(Number))
    },
    close: settlements.close,
  }

  async function reserve(payer: Payer, ask: Ask): Promise<Reservation> {
    const id = newId('r')
    const lease = `${id} ${ask.kind === 'generation' ? 'g' : 'x'} ${ask.tokens} ${ask.microUsd}`
    const names = limitNames(ask.kind)
    const books = booksOf(prefix, payer)
    const args = books.flatMap(([, limits]) => names.map((name) => limits[name] ?? ''))
    const keys = books.flatMap(([pair]) => [...pair])
    const reply = await link?.attempt((redis) => scripted(redis).lgReserve(...keys, lease, leaseMs, ...args), {
      // It may have been reserved all the same, and nobody will use it.
      late: (late) =>
        void late.then(([given]) => given === 1 && settlements.reserved(payer, lease).settle(NOTHING), ignore),
    })
    if (reply === null || reply === undefined) return share(payer, id, ask)
    const [given, ...told] = reply.map(Number)
    if (given !== 1) {
      const [who, number = 1, freesInMs = -1] = told
      const limit = names[number - 1] ?? 'requestsPerMinute'
      throw counted(payer, who === 1 ? 'key' : 'tenant', { limit, freesInMs: freesInMs < 0 ? null : freesInMs })
    }
    for (const [index, [pair]] of books.entries()) {
      const [dayTokens = 0, dayUsd = 0, tokens = 0, microUsd = 0] = told.slice(index * 4)
      local.learn(pair, { day: { tokens: dayTokens, microUsd: dayUsd }, total: { tokens, microUsd } })
    }
    return settlements.reserved(payer, lease)
  }

  function counted(payer: Payer, whose: 'key' | 'tenant', refusal: Parameters<typeof refused>[2]): Error {
    refusals.add(1, payer.tenant, whose, refusal.limit)
    return refused(whose, payer, refusal)
  }

  /** Redis is away: within this replica's share, and entered in Redis when it is back. */
  function share(payer: Payer, id: string, ask: Ask): Reservation {
    const held = local.reserve(payer, id, ask)
    const owed = settlements.unlimited(payer)
    return {
      settle(used) {
        held.settle(used)
        owed.settle(used)
      },
    }
  }
}

const NOTHING: Amount = Object.freeze({ tokens: 0, microUsd: 0 })
const scripted = (redis: Redis): Scripted => redis as unknown as Scripted

function ignore(): void {}

function usageOf(values: readonly number[]): Usage {
  const [requests = 0, tokens = 0, dayTokens = 0, dayUsd = 0, everTokens = 0, everUsd = 0, ...held] = values
  const [heldTokens = 0, heldUsd = 0, generations = 0, executions = 0] = held
  return {
    minute: { requests, tokens },
    day: { tokens: dayTokens, microUsd: dayUsd },
    total: { tokens: everTokens, microUsd: everUsd },
    reserved: { tokens: heldTokens, microUsd: heldUsd, generations, executions },
  }
}
