import type { SpendLimits } from '@loopgate/contracts'
import { type BookKeys, keyBook, tenantBook } from './keys.ts'
import type { Ask } from './types.ts'

/** Who pays for a request: an API key, and the tenant that it belongs to. */
export type Payer = {
  readonly tenant: string
  readonly keyId: string
  /** Limits of the key, and of the tenant with all its keys. */
  readonly limits: { readonly key: SpendLimits; readonly tenant: SpendLimits }
}

export const isLimited = ({ limits: { key, tenant } }: Payer): boolean =>
  Object.keys(key).length > 0 || Object.keys(tenant).length > 0

/** The books that a request is entered in, each with its limits: first the key's, then the tenant's. */
export function booksOf(
  prefix: string,
  { tenant, keyId, limits }: Payer,
): readonly (readonly [BookKeys, SpendLimits])[] {
  return [
    [keyBook(prefix, tenant, keyId), limits.key],
    [tenantBook(prefix, tenant), limits.tenant],
  ]
}

/** Their keys as the scripts take them; a payer is one object as long as nothing of its key has changed. */
export function createKeysOf(prefix: string): (payer: Payer) => readonly string[] {
  const known = new WeakMap<Payer, readonly string[]>()
  return (payer) => {
    const names = known.get(payer) ?? booksOf(prefix, payer).flatMap(([pair]) => [...pair])
    known.set(payer, names)
    return names
  }
}

/** The order in which the scripts take limits; which of two limits under way counts depends on the kind. */
export const limitNames = (kind: Ask['kind']) =>
  [
    'requestsPerMinute',
    'tokensPerMinute',
    kind === 'generation' ? 'concurrentGenerations' : 'concurrentExecutions',
    'tokensPerDay',
    'microUsdPerDay',
    'tokensTotal',
    'microUsdTotal',
  ] as const
