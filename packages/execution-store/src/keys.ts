/*
 * Every Redis key and channel of this package. The part in braces is the hash tag: what one script
 * touches lies in one slot of a cluster.
 */

/** An asynchronous execution: tenant, state, request, and in the end its result. */
export const recordKey = (prefix: string, id: string): string => `${prefix}:executions:{${id}}`

/** Where cancellations are told, by id. */
export const cancelChannel = (prefix: string): string => `${prefix}:executions:cancelled`

/** Where the stored verdicts of a tenant begin. */
export const verdictPrefix = (prefix: string, tenant: string): string => `${prefix}:verdicts:{${tenant}}:`

/** A stored verdict, the note that such an execution ran into its limit once, and the tenant's index by age. */
export function verdictKeys(prefix: string, tenant: string, key: string): [entry: string, seen: string, index: string] {
  const own = verdictPrefix(prefix, tenant)
  return [`${own}${key}`, `${own}seen:${key}`, `${own}index`]
}
