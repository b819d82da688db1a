/** Work under way, by key. */
export type Pending = {
  /** Runs the work, and counts it as pending until then. */
  readonly during: <T>(key: string, work: () => Promise<T>) => Promise<T>
  /** Resolves once all work that is pending for the key now has ended. */
  readonly over: (key: string) => Promise<void>
}

export function createPending(): Pending {
  const pending = new Map<string, Promise<unknown>>()
  return {
    async during(key, work) {
      const run = work()
      const all = Promise.allSettled([pending.get(key), run])
      pending.set(key, all)
      try {
        return await run
      } finally {
        if (pending.get(key) === all) pending.delete(key)
      }
    },
    async over(key) {
      await pending.get(key)
    },
  }
}
