import type { Clock } from '@loopgate/service-kit'

export type BreakerOptions = {
  /** Over this time, in ms, calls are counted. */
  readonly windowMs?: number
  /** Fewer calls than this say nothing. */
  readonly leastCalls?: number
  /** It opens when this part of them has failed. */
  readonly failedShare?: number
  /** While it is open, one call in this time is let through. */
  readonly probeMs?: number
}

/** A call that was let through, to be told how it ended. */
export type Pass = { readonly verdict: (verdict: 'success' | 'failure' | 'neutral') => void }

export type Breaker = {
  /** Lets a call through, or null: it would most likely fail. */
  readonly pass: () => Pass | null
  readonly open: () => boolean
  /** How long until the next call is let through, in ms. */
  readonly closedForMs: () => number
}

/**
 * Opens where nearly everything fails, and not where half does: an upstream of which every second call
 * succeeds serves more callers than one that is not called.
 */
const DEFAULTS = { windowMs: 10_000, leastCalls: 20, failedShare: 0.75, probeMs: 1000 }
const SLICES = 10

/** Keeps calls from an upstream that has failed too often lately, but for one at a time that looks whether it is back. */
export function createBreaker(
  { clock, changed = () => {} }: { clock: Clock; changed?: (open: boolean) => void },
  options: BreakerOptions = {},
): Breaker {
  const { windowMs, leastCalls, failedShare, probeMs } = { ...DEFAULTS, ...options }
  const slices = Array.from({ length: SLICES }, () => ({ index: -1, calls: 0, failed: 0 }))
  let isOpen = false
  let probeAt = 0

  return {
    open: () => isOpen,
    closedForMs: () => (isOpen ? Math.max(0, probeAt - clock.now()) : 0),
    pass() {
      if (!isOpen) return { verdict: count }
      if (clock.now() < probeAt) return null
      probeAt = clock.now() + probeMs
      return { verdict: judge }
    },
  }

  function count(verdict: 'success' | 'failure' | 'neutral'): void {
    // What was let through before it opened says nothing new.
    if (verdict === 'neutral' || isOpen) return
    const slice = current()
    slice.calls++
    if (verdict === 'failure') slice.failed++
    if (verdict === 'failure' && hasFailed()) set(true)
  }

  function judge(verdict: 'success' | 'failure' | 'neutral'): void {
    if (isOpen && verdict === 'success') set(false)
  }

  function set(open: boolean): void {
    isOpen = open
    probeAt = clock.now() + probeMs
    for (const slice of slices) slice.index = -1
    changed(open)
  }

  function current(): (typeof slices)[number] {
    const index = Math.floor((clock.now() * SLICES) / windowMs)
    const slice = slices[index % SLICES] as (typeof slices)[number]
    if (slice.index !== index) Object.assign(slice, { index, calls: 0, failed: 0 })
    return slice
  }

  function hasFailed(): boolean {
    const oldest = current().index - SLICES
    let [calls, failed] = [0, 0]
    for (const slice of slices) {
      if (slice.index <= oldest) continue
      calls += slice.calls
      failed += slice.failed
    }
    return calls >= leastCalls && failed >= calls * failedShare
  }
}
