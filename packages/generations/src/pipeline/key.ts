import { CanonicalError, type FamilyInput, keyOf as keyOfSample } from '@loopgate/cache-key'
import { fault } from '@loopgate/service-kit'
import type { GenerationCall } from '../types.ts'

export type MakeFamily = (input: FamilyInput) => string

/**
 * Stage 2: the key of a call that may be shared.
 * @throws LoopgateError LG_BAD_REQUEST for a body that has no canonical form
 */
export function keyOf(makeFamily: MakeFamily, { surface, tenant, body }: GenerationCall, sampleIndex: number): string {
  try {
    return keyOfSample(
      makeFamily({ scope: tenant, namespace: 0, surface, idempotencyKey: null, request: body }),
      sampleIndex,
    )
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error
    throw fault('LG_BAD_REQUEST', { message: error.message, param: error.path, cause: error })
  }
}

/** As above, for one installation. */
export type MakeKey = MakeFamily
