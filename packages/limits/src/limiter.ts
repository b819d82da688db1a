import { type Clock, fault, newId, type Registry } from '@loopgate/service-kit'
import { keyBook, tenantBook } from './keys.ts'
import { createLocal } from './local.ts'
import { createLimitMetrics } from './metrics.ts'
import { booksOf, createKeysOf, isLimited, limitNames, type Payer } from './payer.ts'
import { refused } from './refuse.ts'
import { scripted } from './scripts.ts'
import { createSettlements, type Settle } from './settlements.ts'
import { createShares } from './shares.ts'
import type { Amount, Ask, Link, Refusal, Reservation, Usage } from './types.ts'

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
  /** What a tenant, or one key of it, has used. @throws LoopgateError LG_STORE_UNAVAILABLE */
  readonly usage: (tenant: string, keyId: string | null) => Promise<Usage>
  /** Enters what is not yet in Redis. */
  readonly close: () => Promise<void>
}

/** A replica that died holds what it reserved for so long; a living one renews three times as often. */
const LEASE_MS = 30_000

/** Makes the limiter of a gateway replica. */
export function createLimiter({ link, clock, registry, replicas }: LimiterDeps, options: LimiterOptions): Limiter {
  const { keyPrefix: prefix, leaseMs = LEASE_MS } = options
  const local = createLocal({ wallNow: clock.wallNow, replicas: () => (link === null ? 1 : replicas()) }, { prefix })
  const keysOf = createKeysOf(prefix)
  const settlements = createSettlements({ link, clock, keysOf }, { leaseMs })
  const shares = createShares({ local, settlements, force })
  const metrics = createLimitMetrics(registry)

  return {
    reserve: (payer, ask) =>
      isLimited(payer) ? reserve(payer, ask) : counted(payer, settlements.unlimited(payer), null),
    async usage(tenant, keyId) {
      const [book, leases] = keyId === null ? tenantBook(prefix, tenant) : keyBook(prefix, tenant, keyId)
      await settlements.flush()
      const reply = await link?.attempt((redis) => scripted(redis).lgUsage(book, leases))
      if (reply === null || reply === undefined) throw fault('LG_STORE_UNAVAILABLE', { message: NO_USAGE })
      return usageOf(reply.map(Number))
    },
    close: settlements.close,
  }

  async function reserve(payer: Payer, ask: Ask): Promise<Reservation> {
    const id = newId('r')
    const names = limitNames(ask.kind)
    const books = booksOf(prefix, payer)
    if (link?.status() === 'up') await shares.handBack()
    const limits = books.flatMap(([, bounds]) => names.map((name) => bounds[name] ?? ''))
    const reply = await askRedis(payer, id, ask, limits)
    if (reply === null) return counted(payer, shares.reserve(payer, id, ask), ask)
    const [given, ...told] = reply.map(Number)
    if (given !== 1) {
      const [who, number = 1, freesInMs = -1] = told
      const limit = names[number - 1] ?? 'requestsPerMinute'
      throw refusal(payer, who === 1 ? 'key' : 'tenant', { limit, freesInMs: freesInMs < 0 ? null : freesInMs })
    }
    for (const [index, [pair]] of books.entries()) {
      const [dayTokens = 0, dayUsd = 0, tokens = 0, microUsd = 0] = told.slice(index * 4)
      local.learn(pair, { day: { tokens: dayTokens, microUsd: dayUsd }, total: { tokens, microUsd } })
    }
    return counted(payer, settlements.reserved(payer, leaseOf(id, ask)), ask)
  }

  async function askRedis(
    payer: Payer,
    id: string,
    ask: Ask,
    limits: readonly (number | '')[],
  ): Promise<readonly (string | number)[] | null> {
    const lease = leaseOf(id, ask)
    const reply = await link?.attempt(
      (redis) => scripted(redis).lgReserve(...keysOf(payer), lease, leaseMs, ...limits),
      {
        // Other replicas share the limit as long as Redis is only slow: a share of it now would come on top.
        patient: true,
        // It may have been reserved all the same, now or when a Redis that was frozen thaws, and nobody will use it.
        late: (late) => {
          const giveBack = () => settlements.reserved(payer, lease)(NOTHING)
          void late.then(([given]) => given === 1 && giveBack(), giveBack)
        },
      },
    )
    return reply ?? null
  }

  /** Reserves what no limit can refuse any more, since it is under way. */
  async function force(payer: Payer, id: string, ask: Ask): Promise<Settle | null> {
    const none = [...limitNames(ask.kind), ...limitNames(ask.kind)].map(() => '' as const)
    const reply = await askRedis(payer, id, ask, none)
    return reply === null ? null : settlements.reserved(payer, leaseOf(id, ask))
  }

  function refusal(payer: Payer, whose: 'key' | 'tenant', why: Refusal): Error {
    metrics.refused(payer.tenant, whose, why.limit)
    return refused(whose, payer, why)
  }

  /** A reservation that is settled once, whoever settles twice; `ask` is what is held for it, if anything is. */
  function counted({ tenant }: Payer, settle: Settle, ask: Ask | null): Reservation {
    let open = true
    if (ask !== null) metrics.held(tenant, ask, 1)
    return {
      settle(used) {
        if (!open) return
        open = false
        if (ask !== null) metrics.held(tenant, ask, -1)
        metrics.used(tenant, used)
        settle(used)
      },
    }
  }
}

/** As the scripts read it. */
const leaseOf = (id: string, { kind, tokens, microUsd }: Ask): string =>
  `${id} ${kind === 'generation' ? 'g' : 'x'} ${tokens} ${microUsd}`
const NO_USAGE = 'Redis is not reachable; usage is kept there'
const NOTHING: Amount = Object.freeze({ tokens: 0, microUsd: 0 })

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
