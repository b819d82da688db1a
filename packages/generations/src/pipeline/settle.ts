import type { Logger } from '@loopgate/service-kit'
import type { Memory } from '../cache/memory.ts'
import type { Store } from '../cache/store.ts'
import type { Flight } from '../flight/flight.ts'
import { isWorthKeeping } from '../shape/recording.ts'
import type { GenerationCall } from '../types.ts'

export type SettleDeps = {
  readonly memory: Memory
  readonly store: Store | null
  readonly logger: Logger
  readonly wallNow: () => number
}

/**
 * Stage 6: keeps an answer that is whole and worth giving again. Memory has it before the flight can
 * no longer be joined, so that no caller falls between the two; Redis a moment later.
 */
export function keep(
  { memory, store, logger, wallNow }: SettleDeps,
  call: GenerationCall,
  key: string,
  flight: Flight,
): void {
  const { end } = flight
  if (end === null || end.recording === null) return
  if (!isWorthKeeping(call.surface, end.recording, end.facts.finishReasons)) return
  const entry = { recording: end.recording, createdAtMs: wallNow() }
  memory.set(key, entry)
  store?.set(key, entry).catch((error: unknown) => logger.error({ err: error }, 'a generation could not be stored'))
}
