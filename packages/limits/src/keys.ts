/** Redis keys of what one key or tenant uses; all of a tenant's are in one slot of a cluster. */
export type BookKeys = readonly [book: string, leases: string]

/** Those of a tenant as a whole. */
export const tenantBook = (prefix: string, tenant: string): BookKeys => named(prefix, tenant, 'tenant')

/** Those of one of its API keys. */
export const keyBook = (prefix: string, tenant: string, keyId: string): BookKeys =>
  named(prefix, tenant, `key:${keyId}`)

function named(prefix: string, tenant: string, who: string): BookKeys {
  const base = `{${prefix}-limits:${tenant}}:${who}`
  return [base, `${base}:leases`]
}
