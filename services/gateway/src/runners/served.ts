/** What a runner was given lately, so that its warm pools and a tenant's own processes are found again. */
export type Served = {
  readonly note: (what: string) => void
  readonly has: (what: string) => boolean
}

/** Kinds that are remembered of one runner; the one longest not seen goes first. */
const REMEMBERED = 64

export function createServed(): Served {
  const seen = new Set<string>()
  return {
    note(what) {
      seen.delete(what)
      seen.add(what)
      for (const oldest of seen) {
        if (seen.size <= REMEMBERED) break
        seen.delete(oldest)
      }
    },
    has: (what) => seen.has(what),
  }
}
