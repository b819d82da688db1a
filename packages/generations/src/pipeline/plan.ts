import type { GenerationCall } from '../types.ts'

/** What may be done to answer a call. */
export type Plan =
  | { readonly shared: false }
  | {
      readonly shared: true
      readonly sampleIndex: number
      /** A stored answer, or a flight that is under way, will do. */
      readonly reuse: boolean
      /** A stored answer may be at most this old. */
      readonly maxAgeSeconds: number | null
    }

const BYPASS: Plan = { shared: false }

/**
 * Stage 1: whether a call may share its answer. Only what is meant to repeat is shared: temperature
 * 0, an explicit seed, or a sample that the caller names. Anything else goes straight through,
 * since a caller that asks again wants another answer.
 */
export function plan({ body, sampleIndex, freshness, headers }: GenerationCall): Plan {
  if (freshness.noStore) return BYPASS
  if (typeof body['n'] === 'number' && body['n'] > 1) return BYPASS
  // Asks to be refused on terms of its own; it must neither get nor cause another caller's refusal.
  if (headers.queue_threshold !== undefined) return BYPASS
  const repeats = body['temperature'] === 0 || typeof body['seed'] === 'number' || sampleIndex !== null
  if (!repeats) return BYPASS
  return {
    shared: true,
    sampleIndex: sampleIndex ?? 0,
    reuse: !freshness.noCache,
    maxAgeSeconds: freshness.maxAgeSeconds,
  }
}
