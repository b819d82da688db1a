import { familyOf, sampleOf } from '@loopgate/cache-key'

/*
 * Every Redis key of this package. The part in braces is the hash tag: all that belongs to one
 * request, whichever sample of it, lies in one slot of a cluster.
 */

/** Where all that belongs to the family of a key begins, with the hash tag. A family will do for a key. */
const familyPrefix = (prefix: string, key: string): string => `${prefix}:gen:{${familyOf(key)}}`

/** A stored generation. */
export const generationKey = (prefix: string, key: string): string =>
  `${familyPrefix(prefix, key)}:entry:${sampleOf(key)}`

/** The record of a request: its stored samples, those of them that passed, and the verdicts. */
export const familyKeys = (prefix: string, key: string): [samples: string, passed: string, record: string] => [
  `${familyPrefix(prefix, key)}:samples`,
  `${familyPrefix(prefix, key)}:passed`,
  `${familyPrefix(prefix, key)}:record`,
]

/** The namespace of a scope: its version, and what was dropped of it last. */
export const namespaceKeys = (prefix: string, scope: string): [namespace: string, dropped: string] => [
  `${prefix}:gen:{namespace:${scope}}`,
  `${prefix}:gen:{namespace:${scope}}:dropped`,
]

/** What an idempotency key of a tenant was first used for. */
export const idempotencyKey = (prefix: string, digest: string): string => `${prefix}:gen:idempotent:${digest}`

/** What a tenant has got from the cache and given to it, by model. */
export const statisticsKey = (prefix: string, tenant: string): string => `${prefix}:gen:statistics:${tenant}`

/** The secret of the installation, if the operator gave none. */
export const secretKey = (prefix: string): string => `${prefix}:gen:secret`
