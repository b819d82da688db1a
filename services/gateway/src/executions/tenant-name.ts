import { createHmac, randomBytes } from 'node:crypto'
import type { Secret } from '@loopgate/service-kit'

/** Characters of a digest that nobody finds another tenant for. */
const NAME_CHARACTERS = 32

/**
 * What runners call a tenant, by which they keep tenants out of one another's processes: the same on every
 * replica with the same secret (without one, on this replica), and no name that a log of a runner could give away.
 */
export function tenantNamer(secret: Secret | undefined): (tenant: string) => string {
  const key = secret?.reveal() ?? randomBytes(32)
  return (tenant) => createHmac('sha256', key).update(`runner:${tenant}`).digest('hex').slice(0, NAME_CHARACTERS)
}
