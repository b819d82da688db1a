import type { Clock } from '@loopgate/service-kit'

export type Governor = {
  /** Whether one more request may be taken on; each call counts as one that came. */
  readonly admits: () => boolean
  /** One that was taken on is over. */
  readonly ended: () => void
  /** Share of what came lately that is taken on, above 0 and at most 1. */
  readonly share: () => number
  readonly close: () => void
}

/** How often the delay is looked at. */
const LOOK_MS = 100
/** One look is not enough: a crowd that comes at once is done before it could be refused. */
const LATE_LOOKS = 2
/** A cut shows in the delay only once answers that were taken on before it are over: another waits so long. */
const CUT_EVERY_MS = 300
/** A delay that falls fast enough to be within the limit after this time needs no further cut. */
const SETTLED_MS = 1_000
/** How deep one cut may be, and is at least. */
const CUT = { most: 0.5, least: 0.9 }
/** Back it goes at once to this part of what the loop has shown that it can do, and from there slowly. */
const SURE = 0.9
const MORE = 1.02
/** What the loop has shown counts for less with each look: answers become longer, neighbours take the core. */
const FORGET = 0.99
/** Over how long ends are averaged: one look may see none of long answers. */
const ENDS_MS = 500
/** Some are always taken on, or nothing would tell that there is room again. */
const LEAST_PER_MS = 0.01
/** A bound that has refused nobody for so long goes. */
const FREE_MS = 5_000

/**
 * Takes on as much as the event loop can do. While it is late by more than the limit, so many are taken
 * on a second as were lately answered a second; once it keeps up, more and more. So under any load what is
 * taken on is done in time, and a refusal costs next to nothing. Refusing all or nothing would swing
 * between a standing queue and idleness, and so would a share of what comes: an answer takes a second,
 * and what comes may be four times as much by then.
 */
export function createGovernor(
  { clock, loopDelayMs }: { clock: Clock; loopDelayMs: () => number },
  { limitMs }: { limitMs: number },
): Governor {
  /** Bound of what is taken on, a ms. */
  let bound = Number.POSITIVE_INFINITY
  let credit = 0
  let creditAt = clock.now()
  /** Since the last look. */
  const counts = { came: 0, taken: 0, ended: 0 }
  let lookedAt = creditAt
  let comes = 0
  let ends = 0
  let shown = 0
  let late = 0
  let before = 0
  let cutAt = Number.NEGATIVE_INFINITY
  let refusedAt = Number.NEGATIVE_INFINITY
  let cancel = clock.after(LOOK_MS, look)

  return {
    admits() {
      counts.came++
      if (bound < Number.POSITIVE_INFINITY && !pay()) return false
      counts.taken++
      return true
    },
    ended: () => void counts.ended++,
    share: () => (bound >= comes ? 1 : bound / comes),
    close: () => cancel(),
  }

  /** Credit gathers for one look at most, so that a pause is not followed by a crowd. */
  function pay(): boolean {
    const now = clock.now()
    credit = Math.min(Math.max(1, bound * LOOK_MS), credit + (now - creditAt) * bound)
    creditAt = now
    if (credit < 1) return false
    credit -= 1
    return true
  }

  function look(): void {
    cancel = clock.after(LOOK_MS, look)
    const now = clock.now()
    const pastMs = Math.max(1, now - lookedAt)
    lookedAt = now
    const takes = counts.taken / pastMs
    comes = counts.came / pastMs
    if (counts.taken < counts.came) refusedAt = now
    ends += (counts.ended / pastMs - ends) * (1 - Math.exp(-pastMs / ENDS_MS))
    shown = Math.max(ends, shown * FORGET)
    counts.came = counts.taken = counts.ended = 0

    const delayMs = loopDelayMs()
    late = delayMs > limitMs ? late + 1 : 0
    // What waits is being worked off: cutting further would end in idleness.
    const settles = delayMs - ((before - delayMs) * SETTLED_MS) / pastMs <= limitMs
    before = delayMs
    if (late >= LATE_LOOKS && !settles && now - cutAt >= CUT_EVERY_MS) cut(Math.min(bound, takes), now)
    else if (late === 0) relax(now)
  }

  function cut(from: number, now: number): void {
    bound = Math.max(LEAST_PER_MS, Math.min(from * CUT.least, Math.max(shown * SURE, from * CUT.most)))
    cutAt = refusedAt = now
  }

  function relax(now: number): void {
    // One that binds nobody says nothing about what would be if more were taken on.
    bound = Math.max(refusedAt === now ? bound * MORE : bound, shown * SURE)
    if (now - refusedAt > FREE_MS) bound = Number.POSITIVE_INFINITY
  }
}
