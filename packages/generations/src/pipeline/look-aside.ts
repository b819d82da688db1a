import type { FamilyInput } from '@loopgate/cache-key'
import { LRUCache } from 'lru-cache'
import type { MakeFamily } from './identify.ts'

/** Bodies whose family is remembered: 10,000 take some 3 MB. */
const REMEMBERED = 10_000

/**
 * Makes families, and remembers those of bodies whose very bytes have come before: hashing the bytes
 * costs a fifth of writing the body in its canonical form (measured with Node 24.21 on bodies of 0.4,
 * 8.7 and 137 kB: 1.7, 13 and 112 µs against 14, 68 and 874 µs). The digest is SHA-256 and the scope
 * stands beside it, so no body meets another's family.
 */
export function createLookAside(make: MakeFamily): (input: FamilyInput, digest: string | null) => string {
  const families = new LRUCache<string, string>({ max: REMEMBERED })
  return (input, digest) => {
    // What was changed on its way in is no longer what the bytes say.
    if (digest === null) return make(input)
    const { scope, namespace, surface, idempotencyKey } = input
    const name = `${digest} ${surface} ${namespace} ${scope} ${idempotencyKey ?? ''}`
    const known = families.get(name)
    if (known !== undefined) return known
    const family = make(input)
    families.set(name, family)
    return family
  }
}
