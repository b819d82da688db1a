import type { GenerationCall } from '../types.ts'
import type { Place } from './identify.ts'
import { NO_WISHES } from './plan.ts'

/**
 * The body that goes upstream. What is not shared goes as it came. What is shared is written anew
 * from what the key was made of, so that a body that readers could take in two ways (twice the same
 * member) cannot be stored under one meaning and answered under the other; and its stream always
 * asks for usage, which followers may want. A sample that the caller names, or has had chosen, is sent with
 * its index as the seed unless the body has one: samples of one request belong to one family, and an
 * upstream with reproducible sampling repeats itself as the cache does.
 */
export function requestBytes(
  { body, original, sampleIndex, sharing = NO_WISHES }: GenerationCall,
  place: Place | null,
): Buffer {
  if (place === null) return original?.bytes ?? Buffer.from(JSON.stringify(body))
  const { stream_options: _, ...rest } = body
  const asked = body['stream'] === true ? { ...rest, stream_options: { include_usage: true } } : rest
  const seeded = (sampleIndex !== null || sharing.choose !== null) && (body['seed'] ?? null) === null
  return Buffer.from(JSON.stringify(seeded ? { ...asked, seed: place.sampleIndex } : asked))
}
