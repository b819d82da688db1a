import { sampleOf } from '@loopgate/cache-key'
import type { GenerationCall, Sharing } from '../types.ts'

/** What may be done to answer a call. */
export type Plan =
  | { readonly shared: false; readonly why: string }
  | {
      readonly shared: true
      readonly why: string
      /** The sample that is meant, or how it is to be found. */
      readonly sample: number | 'any' | 'best' | 'new'
      /** Shared with its own repetitions alone, as its idempotency key says. */
      readonly alone: boolean
      /** A stored answer, or a flight that is under way, will do. */
      readonly reuse: boolean
      /** A stored answer may be at most this old. */
      readonly maxAgeSeconds: number | null
    }

export type SharedPlan = Extract<Plan, { shared: true }>

export const NO_WISHES: Sharing = Object.freeze({
  choose: null,
  scope: 'tenant',
  ttlSeconds: null,
  keepsLength: false,
  idempotencyKey: null,
})

const BYPASS = {
  noStore: bypass('cache-control: no-store, or the default of the API key, keeps it apart'),
  choices: bypass('n is greater than 1'),
  threshold: bypass('queue_threshold asks to be refused on terms of its own'),
  random: bypass('temperature is not 0, and neither a seed, a sample nor an idempotency key is given'),
}
const WHY = {
  sample: 'a sample is named',
  repeats: 'temperature 0 or a seed: the request is meant to repeat',
  idempotent: 'an idempotency key is given: it is shared with its own repetitions',
}

/**
 * Stage 1: whether a call may share its answer. Only what is meant to repeat is shared: temperature
 * 0, an explicit seed, a sample that the caller names, or a repetition of one call. Anything else
 * goes straight through, since a caller that asks again wants another answer.
 */
export function plan({ body, sampleIndex, freshness, headers, sharing = NO_WISHES, delivery }: GenerationCall): Plan {
  const { choose, idempotencyKey } = sharing
  // Whoever goes on with a stream that was chosen for it has been told which one that was.
  const resumed = choose !== null && delivery?.resume ? sampleOf(delivery.resume.key) : null
  if (freshness.noStore) return BYPASS.noStore
  const forbidden =
    typeof body['n'] === 'number' && body['n'] > 1
      ? BYPASS.choices
      : // It must neither get nor cause another caller's refusal.
        headers.queue_threshold !== undefined
        ? BYPASS.threshold
        : null
  const named = sampleIndex !== null || choose !== null
  const repeats = named || body['temperature'] === 0 || typeof body['seed'] === 'number'
  const shareable = repeats && forbidden === null
  if (!shareable && idempotencyKey === null) return forbidden ?? BYPASS.random
  // Whoever wants no stored answer gets none, but its own repetitions get what it got.
  const alone = idempotencyKey !== null && (!shareable || freshness.noCache)
  return {
    shared: true,
    why: alone ? WHY.idempotent : named ? WHY.sample : WHY.repeats,
    sample: resumed ?? choose ?? sampleIndex ?? 0,
    alone,
    reuse: alone || !freshness.noCache,
    maxAgeSeconds: alone ? null : freshness.maxAgeSeconds,
  }
}

function bypass(why: string): Plan {
  return Object.freeze({ shared: false, why })
}
