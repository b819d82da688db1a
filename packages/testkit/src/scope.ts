import type { TestScope } from './redis.ts'

/** A place for the testkit's resources outside a test: closed last to first. */
export function createScope(): TestScope & { readonly close: () => Promise<void> } {
  const teardowns: Array<() => unknown> = []
  return {
    teardown: (fn) => void teardowns.push(fn),
    close: async () => {
      for (const fn of teardowns.toReversed()) await fn()
    },
  }
}
