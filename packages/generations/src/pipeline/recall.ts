import type { Entry } from '../cache/entry.ts'
import type { Memory } from '../cache/memory.ts'
import type { Store } from '../cache/store.ts'
import type { Metrics } from '../metrics.ts'

export type Recall = {
  /** From this process's memory, at once. */
  readonly near: (key: string, maxAgeSeconds: number | null) => Entry | null
  /** From Redis. */
  readonly far: (key: string, maxAgeSeconds: number | null) => Promise<Entry | null>
  /** From what a claim has brought from Redis. */
  readonly brought: (key: string, value: Buffer | null) => Promise<Entry | null>
}

/** Stage 3: a stored answer, first from memory, then from Redis. */
export function createRecall({
  memory,
  store,
  metrics,
  wallNow,
}: {
  memory: Memory
  store: Store | null
  metrics: Metrics
  wallNow: () => number
}): Recall {
  return {
    near(key, maxAgeSeconds) {
      const entry = memory.get(key)
      const found = entry !== undefined && isYoung(entry, maxAgeSeconds)
      metrics.recalled('memory', found)
      return found ? entry : null
    },
    async far(key, maxAgeSeconds) {
      if (store === null) return null
      const entry = await store.get(key)
      if (entry !== null) memory.set(key, entry)
      const found = entry !== null && isYoung(entry, maxAgeSeconds)
      metrics.recalled('redis', found)
      return found ? entry : null
    },
    brought,
  }

  async function brought(key: string, value: Buffer | null): Promise<Entry | null> {
    const entry = value === null || store === null ? null : await store.read(key, value)
    if (entry !== null) memory.set(key, entry)
    metrics.recalled('redis', entry !== null)
    return entry
  }

  function isYoung({ createdAtMs }: Entry, maxAgeSeconds: number | null): boolean {
    return maxAgeSeconds === null || wallNow() - createdAtMs <= maxAgeSeconds * 1000
  }
}
