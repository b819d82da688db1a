import type { Clock } from '@loopgate/service-kit'

export type EjectionOptions = {
  /** Failures in a row after which one is put out. */
  readonly failures?: number
  /** For how long, in ms: this, times how often it was of late. */
  readonly baseMs?: number
  readonly maxMs?: number
}

/** Which of several keys are left alone for a while, by their index. */
export type Ejection = {
  readonly isOut: (index: number) => boolean
  /** On the monotonic clock; in the past for one that is not out. */
  readonly backAt: (index: number) => number
  readonly works: (index: number) => void
  /** True if this has put it out. */
  readonly failed: (index: number) => boolean
  /** It is of no use: out at once. True if it was put out. */
  readonly useless: (index: number) => boolean
}

/** Envoy's defaults of outlier detection: five in a row, 30 s times the number of ejections. */
const DEFAULTS = { failures: 5, baseMs: 30_000, maxMs: 300_000 }

/** Puts out keys that fail again and again, and never the last that is in. */
export function createEjection({ clock }: { clock: Clock }, size: number, options: EjectionOptions = {}): Ejection {
  const { failures, baseMs, maxMs } = { ...DEFAULTS, ...options }
  const states = Array.from({ length: size }, () => ({ inARow: 0, times: 0, backAt: Number.NEGATIVE_INFINITY }))
  const isOut = (index: number): boolean => (states[index]?.backAt ?? 0) > clock.now()

  return {
    isOut,
    backAt: (index) => states[index]?.backAt ?? 0,
    works(index) {
      const state = states[index]
      if (state !== undefined) state.inARow = 0
    },
    failed(index) {
      const state = states[index]
      if (state === undefined || ++state.inARow < failures) return false
      return putOut(index)
    },
    useless: putOut,
  }

  function putOut(index: number): boolean {
    const state = states[index]
    if (state === undefined || isOut(index)) return false
    if (states.every((_, other) => other === index || isOut(other))) return false
    // Each base time without a fault makes up for one ejection.
    const inForMs = clock.now() - state.backAt
    state.times = Math.max(0, state.times - Math.floor(inForMs / baseMs)) + 1
    state.backAt = clock.now() + Math.min(baseMs * state.times, maxMs)
    state.inARow = 0
    return true
  }
}
