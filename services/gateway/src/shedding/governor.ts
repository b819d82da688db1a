import type { Clock } from '@loopgate/service-kit'

export type Governor = {
  /** Whether one more request may be taken on; each call counts as one that came. */
  readonly admits: () => boolean
  /** Share of what comes that is taken on, above 0 and at most 1. */
  readonly share: () => number
  readonly close: () => void
}

/** How often the delay is looked at. */
const LOOK_MS = 100
/** One look is not enough: a crowd that comes at once is done before it could be refused. */
const LATE_LOOKS = 2
/** A cut is as deep as the loop is late, within these bounds; back it goes slowly. */
const CUT = { most: 0.5, least: 0.9 }
const MORE = 1.06
/** Some are always taken on, or nothing would tell that there is room again. */
const LEAST = 0.02

/**
 * Takes on as much as the event loop can do. While it is late by more than the limit, a growing share
 * of what comes is refused; once it keeps up, the share comes back. So under any load what is taken on
 * is done in time, and a refusal costs next to nothing. Refusing all or nothing would swing between a
 * standing queue and idleness.
 */
export function createGovernor(
  { clock, meanDelayMs }: { clock: Clock; meanDelayMs: () => number },
  { limitMs }: { limitMs: number },
): Governor {
  let share = 1
  let credit = 0
  let late = 0
  let before = 0
  let cancel = clock.after(LOOK_MS, look)

  return {
    admits() {
      if (share === 1) return true
      credit += share
      if (credit < 1) return false
      credit -= 1
      return true
    },
    share: () => share,
    close: () => cancel(),
  }

  function look(): void {
    cancel = clock.after(LOOK_MS, look)
    const delayMs = meanDelayMs()
    late = delayMs > limitMs ? late + 1 : 0
    // A delay that falls is being worked off: cutting further would end in idleness.
    const rising = delayMs >= before
    if (late >= LATE_LOOKS && rising) {
      share = Math.max(LEAST, share * Math.min(CUT.least, Math.max(CUT.most, limitMs / delayMs)))
    } else if (late === 0) share = Math.min(1, share * MORE)
    before = delayMs
  }
}
