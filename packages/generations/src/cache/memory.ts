import { LRUCache } from 'lru-cache'
import type { Entry } from './entry.ts'

/** The newest generations of this process, bounded in bytes. */
export type Memory = {
  readonly get: (key: string) => Entry | undefined
  readonly set: (key: string, entry: Entry) => void
  readonly delete: (key: string) => void
  readonly clear: () => void
  readonly bytes: number
  readonly entries: number
}

/** What an entry takes besides its bytes: key, objects, bookkeeping (an estimate on the safe side). */
const OVERHEAD_BYTES = 1024
/** A digest of a field with its name. */
const FIELD_BYTES = 96
/** No single entry may take more than one part in this many. */
const LARGEST_PART = 8

/** `maxBytes` 0 keeps nothing. */
export function createMemory(maxBytes: number, now: () => number): Memory {
  const cache = new LRUCache<string, Entry>({
    maxSize: Math.max(1, maxBytes),
    maxEntrySize: Math.max(1, Math.floor(maxBytes / LARGEST_PART)),
    sizeCalculation: ({ recording, facts }) =>
      recording.bytes.length + OVERHEAD_BYTES + Object.keys(facts.fields).length * FIELD_BYTES,
    // Time comes from outside; the library's own caching of it would be a timer every millisecond.
    ttlResolution: 0,
    perf: { now },
  })
  return {
    get: (key) => cache.get(key),
    set(key, entry) {
      // Lives no longer than its twin in Redis, however late it was read from there.
      const ageMs = Math.max(0, now() - entry.createdAtMs)
      const restMs = Math.ceil(entry.facts.lifeMs - ageMs)
      if (restMs > 0) cache.set(key, entry, { ttl: restMs })
    },
    delete: (key) => {
      cache.delete(key)
    },
    clear: () => cache.clear(),
    get bytes() {
      return cache.calculatedSize
    },
    get entries() {
      return cache.size
    },
  }
}
