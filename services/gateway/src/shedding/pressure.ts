import type { Clock } from '@loopgate/service-kit'

/** How much a replica gives up: each stage includes those before it. */
const STAGES = ['none', 'part', 'batch', 'all'] as const
/** `part` closes connections after their reply, `batch` refuses batch work, `all` refuses all new work. */
export type Stage = (typeof STAGES)[number]

/** What fills a replica. */
export type Load = {
  /** Share of the heap's limit in use. */
  readonly heapShare: number
  /** Bodies of requests under way. */
  readonly bodyBytes: number
}

export type Pressure = {
  readonly stage: () => Stage
  /** The largest of the loads as a share of its limit; all new work is refused at 1. */
  readonly level: () => number
  readonly close: () => void
}

/** Shares of a limit at which a stage begins. It ends 10 % below, so that a replica does not flap. */
const BEGINS: Readonly<Record<Exclude<Stage, 'none'>, number>> = { part: 0.6, batch: 0.8, all: 1 }
const ENDS_BELOW = 0.9
/** A stage is kept for so long at least: what was refused comes back at once, and may do so together. */
const KEPT_MS = 500

/** Watches what fills the memory of this replica and says what it should give up. */
export function createPressure(
  { clock, read }: { clock: Clock; read: () => Load },
  { limits, lookMs }: { limits: Load; lookMs: number },
): Pressure {
  let level = 0
  let at = 0
  let changedAt = clock.now()
  let cancel = clock.after(lookMs, tick)

  return { stage: () => STAGES[at] ?? 'none', level: () => level, close: () => cancel() }

  function tick(): void {
    look()
    cancel = clock.after(lookMs, tick)
  }

  function look(): void {
    const load = read()
    const shares = Object.entries(limits).map(([name, limit]) => load[name as keyof Load] / limit)
    level = Math.max(...shares)
    const rising = STAGES.findLastIndex((stage) => stage === 'none' || level >= BEGINS[stage])
    const holding = STAGES.findLastIndex((stage) => stage === 'none' || level >= BEGINS[stage] * ENDS_BELOW)
    const now = clock.now()
    const next = rising > at ? rising : now - changedAt < KEPT_MS ? at : Math.min(at, holding)
    if (next !== at) changedAt = now
    at = next
  }
}
