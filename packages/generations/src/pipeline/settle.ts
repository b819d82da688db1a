import { fieldDigests } from '@loopgate/cache-key'
import type { Logger } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Families } from '../cache/families.ts'
import { IDEMPOTENCY_MS } from '../cache/idempotency.ts'
import type { Memory } from '../cache/memory.ts'
import type { Statistics } from '../cache/statistics.ts'
import type { Store } from '../cache/store.ts'
import type { Flight } from '../flight/flight.ts'
import { isWorthKeeping } from '../shape/recording.ts'
import type { GenerationCall } from '../types.ts'
import type { Caller } from './caller.ts'
import type { Place } from './identify.ts'
import { NO_WISHES } from './plan.ts'

export type SettleDeps = {
  readonly memory: Memory
  readonly store: Store | null
  readonly logger: Logger
  readonly families: Families
  readonly statistics: Statistics
  readonly wallNow: () => number
  /** How long an answer is kept if its caller does not want less. */
  readonly ttlMs: number
}

/**
 * Stage 6: keeps an answer that is whole and worth giving again. Memory has it before the flight can
 * no longer be joined, so that no caller falls between the two; Redis a moment later, by the replica
 * that led. Null if nothing goes to Redis, else settles when it is there or given up.
 */
export function keep(
  { memory, store, families, statistics, logger, wallNow, ttlMs }: SettleDeps,
  { call, place }: Pick<Caller, 'call' | 'place'>,
  key: string,
  flight: Flight,
  token: string | null | Promise<string | null>,
): Promise<void> | null {
  const { end } = flight
  if (end === null || end.recording === null || place === null) return null
  const { finishReasons } = end.facts
  const { surface, tenant, sharing = NO_WISHES } = call
  if (!isWorthKeeping(surface, end.recording, finishReasons, keepsLength(call, place))) return null
  const { scope, namespace } = place.input
  const model = String(place.input.request['model'])
  const lifeMs = lifeOf(sharing.ttlSeconds, place, ttlMs)
  const fields = fieldDigests(place.input)
  const entry: Entry = {
    recording: end.recording,
    facts: { scope, namespace, surface, model, finishReasons, fields, lifeMs },
    createdAtMs: wallNow(),
  }
  memory.set(key, entry)
  if (flight.head?.source !== 'upstream') return null
  statistics.count(tenant, model, 'stored')
  statistics.count(tenant, model, 'storedBytes', end.recording.bytes.length)
  families.noted(key, lifeMs)
  if (store === null) return null
  const stored = store.set(key, entry, token)
  // Known as a sample only once it can be had.
  return stored
    .then(() => families.stored(key, lifeMs))
    .catch((error: unknown) => {
      logger.error({ err: error }, 'a generation could not be stored')
    })
}

/** A repetition of an idempotent call must find what the first one paid for, however short it came out. */
const keepsLength = ({ sharing = NO_WISHES }: GenerationCall, { input }: Place): boolean =>
  sharing.keepsLength || input.idempotencyKey !== null

function lifeOf(ttlSeconds: number | null, { input }: Place, ttlMs: number): number {
  const wantedMs = ttlSeconds === null ? ttlMs : Math.min(ttlSeconds * 1000, ttlMs)
  return input.idempotencyKey === null ? wantedMs : Math.min(wantedMs, IDEMPOTENCY_MS)
}
