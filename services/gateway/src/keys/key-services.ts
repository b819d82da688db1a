import type { ConfiguredKey } from '@loopgate/contracts'
import { createConnection } from '@loopgate/generations'
import {
  createKeyAdministration,
  createLimiter,
  createPriceList,
  createRing,
  defineScripts,
  type KeyAdministration,
  type Limiter,
  type PriceList,
  type Prices,
  type Ring,
} from '@loopgate/limits'
import type { Clock, Logger, Registry } from '@loopgate/service-kit'

export type KeyServices = {
  readonly ring: Ring
  readonly administration: KeyAdministration
  readonly limiter: Limiter
  readonly prices: PriceList
  /** Tenants that have a key or limits, as this replica knows them. */
  readonly tenants: () => string[]
  readonly close: () => Promise<void>
}

type Options = {
  readonly redisUrl: string | null
  readonly redisTimeoutMs: number
  readonly keyPrefix: string
  readonly configured: readonly ConfiguredKey[]
  /** Prices that the operator sets, by model. */
  readonly prices: Prices
  /** How long what a replica has reserved outlives it. */
  readonly leaseMs: number
  /** Replicas that share the limits while Redis is away, this one included. */
  readonly replicas: () => number
}

const AWAY = 'Redis is away: keys stay as they were last known, and limits are held by an equal share for each replica'
const BACK = 'Redis is back: keys and limits are shared again'

/** Makes what knows keys and holds their limits. */
export function composeKeys(deps: { clock: Clock; logger: Logger; registry: Registry }, options: Options): KeyServices {
  const { redisUrl, redisTimeoutMs, keyPrefix, configured, leaseMs, replicas } = options
  const said = { prepare: defineScripts, away: AWAY, back: BACK }
  const link = redisUrl === null ? null : createConnection(deps, redisUrl, redisTimeoutMs, said)
  const ring = createRing({ ...deps, link }, { keyPrefix, configured })
  const limiter = createLimiter({ ...deps, link, replicas }, { keyPrefix, leaseMs })

  return {
    ring,
    administration: createKeyAdministration({ ...deps, link, ring }, { keyPrefix }),
    limiter,
    prices: createPriceList(options.prices),
    tenants() {
      const { records, tenants } = ring.mirror()
      const named = [...configured, ...records.values()].map(({ tenant }) => tenant)
      return [...new Set([...named, ...tenants.keys()])].sort()
    },
    async close() {
      ring.close()
      await limiter.close()
      link?.close()
    },
  }
}
