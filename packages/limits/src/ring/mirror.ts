import { createHash } from 'node:crypto'
import type { ConfiguredKey, Principal, SpendLimits } from '@loopgate/contracts'
import type { Payer } from '../payer.ts'
import type { Contents } from './reader.ts'

/** A secret by its digest: who it is, and until when. */
type Known = { readonly principal: Principal; readonly until: number }

/** What a replica knows of all keys, ready to be asked by the digest of a secret. */
export type Mirror = {
  /** Keys by id, revoked ones too. */
  readonly records: Contents['records']
  readonly tenants: Contents['tenants']
  /** Who presents a secret with this SHA-256 (hex); null for nobody, or nobody any more. */
  readonly find: (sha256: string, now: number) => Principal | null
  /** Whom the key of this id stands for; null once it is revoked, has expired or is gone. */
  readonly holder: (keyId: string, now: number) => Principal | null
  readonly payer: (tenant: string, keyId: string) => Payer
}

const NO_LIMITS: SpendLimits = Object.freeze({})

/** Makes the mirror of what Redis holds, beside the keys of the configuration, which nothing revokes. */
export function createMirror(configured: readonly ConfiguredKey[], { records, tenants }: Contents): Mirror {
  const holders = new Map<string, Known>()
  const known = new Map<string, Known>()
  for (const record of records.values()) {
    if (record.revokedAt !== undefined) continue
    const until = record.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(record.expiresAt)
    const holder = { principal: principalOf(record, record.id), until }
    holders.set(record.id, holder)
    known.set(record.sha256, holder)
    const { old } = record
    if (old !== undefined) known.set(old.sha256, { ...holder, until: Math.min(until, Date.parse(old.until)) })
  }
  for (const key of configured) {
    const id = configuredId(key)
    const holder = { principal: principalOf(key, id), until: Number.POSITIVE_INFINITY }
    holders.set(id, holder)
    known.set(key.sha256, holder)
  }

  return {
    records,
    tenants,
    find: (sha256, now) => current(known.get(sha256), now),
    holder: (keyId, now) => current(holders.get(keyId), now),
    payer: (tenant, keyId) =>
      holders.get(keyId)?.principal ?? {
        tenant,
        keyId,
        limits: { key: NO_LIMITS, tenant: tenants.get(tenant) ?? NO_LIMITS },
      },
  }

  function principalOf(grants: Omit<ConfiguredKey, 'sha256'>, keyId: string): Principal {
    const { tenant, name, scopes, models, cache, priorityCeiling, outputCap, limits } = grants
    return Object.freeze({
      tenant,
      name,
      keyId,
      scopes: new Set(scopes),
      ...(models !== undefined && { models: new Set(models) }),
      ...(cache !== undefined && { cache }),
      ...(priorityCeiling !== undefined && { priorityCeiling }),
      ...(outputCap !== undefined && { outputCap }),
      limits: { key: limits ?? NO_LIMITS, tenant: tenants.get(tenant) ?? NO_LIMITS },
    })
  }
}

const current = (found: Known | undefined, now: number): Principal | null =>
  found !== undefined && found.until > now ? found.principal : null

/** The same on every replica and after every start, and nothing of the secret. */
const configuredId = ({ tenant, name }: ConfiguredKey): string =>
  `configured_${createHash('sha256').update(`${tenant}\0${name}`).digest('hex').slice(0, 24)}`
