/** How many sandboxes of one kind to hold ready. */
export type Demand = {
  /** One was asked for at this time. */
  readonly note: (nowMs: number) => void
  /** The most that were asked for within one span of SPAN_MS during the last SPANS of them. */
  readonly peak: (nowMs: number) => number
}

/** About what a sandbox takes to come up under load: what is asked for meanwhile has to be there already. */
const SPAN_MS = 100
const SPANS = 100

/** Counts by span in a ring; times must not go backwards. */
export function createDemand(): Demand {
  const counts = new Uint32Array(SPANS)
  let current = 0
  const advance = (nowMs: number) => {
    const span = Math.floor(nowMs / SPAN_MS)
    const passed = Math.min(span - current, SPANS)
    for (let i = 1; i <= passed; i++) counts[(span - passed + i) % SPANS] = 0
    current = Math.max(current, span)
  }
  return {
    note: (nowMs) => {
      advance(nowMs)
      const at = current % SPANS
      counts[at] = (counts[at] ?? 0) + 1
    },
    peak: (nowMs) => {
      advance(nowMs)
      return Math.max(...counts)
    },
  }
}
