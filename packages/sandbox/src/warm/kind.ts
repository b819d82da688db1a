import type { BootedJail, JailBoot } from '../jail/jail.ts'
import { createDemand } from './demand.ts'

/** Sandboxes of one runtime, role and set of limits that are fixed at their start. */
export type Kind = {
  readonly boot: Omit<JailBoot, 'id'>
  readonly floor: number
  /** Times of use, for the choice of which kind to forget. */
  readonly lastUsedMs: () => number
  /** Takes the one that has been coming up longest; null if there is none. */
  readonly take: (nowMs: number) => BootedJail | null
  readonly add: (jail: BootedJail) => void
  /** Takes out this one. @returns false if it was not waiting */
  readonly remove: (jail: BootedJail) => boolean
  readonly size: () => number
  /** How many it is to hold, of at most `ceiling`. */
  readonly target: (nowMs: number, ceiling: number) => number
  /** Takes out what it holds beyond `keep`. */
  readonly surplus: (keep: number) => BootedJail[]
}

export function createKind(boot: Omit<JailBoot, 'id'>, floor: number, nowMs: number): Kind {
  const demand = createDemand()
  const stock: BootedJail[] = []
  let usedMs = nowMs
  return {
    boot,
    floor,
    lastUsedMs: () => usedMs,
    take: (now) => {
      usedMs = now
      demand.note(now)
      return stock.shift() ?? null
    },
    add: (jail) => void stock.push(jail),
    remove: (jail) => {
      const at = stock.indexOf(jail)
      if (at < 0) return false
      stock.splice(at, 1)
      return true
    },
    size: () => stock.length,
    target: (now, ceiling) => Math.min(ceiling, Math.max(floor, demand.peak(now))),
    surplus: (keep) => stock.splice(keep),
  }
}
