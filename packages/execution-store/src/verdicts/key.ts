import { createHash } from 'node:crypto'
import { canonicalize, CanonicalError } from '@loopgate/cache-key'
import type { ExecutionRequest } from '@loopgate/contracts'

/** Raised when the meaning of an entry changes; older ones are then never found. */
const SCHEMA = 1

/**
 * The key of a verdict: everything that could change it, so the whole request, whose fields are all of
 * that kind, and the version of the runtime that runs it. A new field of the request is in the key
 * without anybody's doing. The tenant is in the name of the entry. Null for a request that has no one
 * canonical form: text with half a character in it.
 */
export function verdictKey(request: ExecutionRequest, runtimeVersion: string): string | null {
  try {
    const text = canonicalize({ schema: SCHEMA, runtimeVersion, request: withoutAbsent(request) })
    return createHash('sha256').update(text).digest('hex')
  } catch (error) {
    if (error instanceof CanonicalError) return null
    throw error
  }
}

/** Optional fields may be there as `undefined`, which is no JSON. */
const withoutAbsent = (request: ExecutionRequest): object =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined))
