import { CanonicalError, type KeyInput } from '@loopgate/cache-key'
import { fault } from '@loopgate/service-kit'
import type { GenerationCall } from '../types.ts'

export type MakeKey = (input: KeyInput) => string

/**
 * Stage 2: the key of a call that may be shared.
 * @throws LoopgateError LG_BAD_REQUEST for a body that has no canonical form
 */
export function keyOf(makeKey: MakeKey, { surface, tenant, body }: GenerationCall, sampleIndex: number): string {
  try {
    return makeKey({ scope: tenant, namespace: 0, surface, idempotencyKey: null, sampleIndex, request: body })
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error
    throw fault('LG_BAD_REQUEST', { message: error.message, param: error.path, cause: error })
  }
}
