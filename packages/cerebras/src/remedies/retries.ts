import type { LoopgateError } from '@loopgate/service-kit'
import { remedyOf } from './table.ts'

export type RetriesOptions = {
  /** Part of the requests under way that may be repetitions. */
  readonly share?: number
  /** So many may be repetitions however few requests are under way. */
  readonly floor?: number
  /** Calls of one request, the first included. */
  readonly maxTries?: number
  readonly maxBackoffMs?: number
  /** For tests: a number from 0 to 1. */
  readonly random?: () => number
}

/** Who is under way, and how many of them are repetitions. */
export type Retries = {
  /** A request begins; its place among those under way ends with `end`. */
  readonly begin: () => RetriedRequest
  readonly underWay: () => number
  readonly repeating: () => number
}

export type RetriedRequest = {
  /**
   * How long to wait before the request is made again, in ms; null if it is not: the fault forbids it,
   * it has been tried often enough, the budget is spent, or its time would be over.
   */
  readonly again: (error: LoopgateError, leftMs: number) => number | null
  /** Once, however it ended. */
  readonly end: () => void
}

/** The defaults of Envoy's retry budget: a fifth of what is under way, and three at least. */
const DEFAULTS = { share: 0.2, floor: 3, maxTries: 3, maxBackoffMs: 5000, random: Math.random }

/**
 * Repetitions of failed requests, within a budget: an upstream that is in trouble gets no more than a
 * fifth on top. A request that is to be repeated counts from its failure to its end, its backoff
 * included; and each request earns a fifth of a repetition, or those that end quickly would make room for
 * one after the other. Where few are under way the floor is all that binds. The backoff is drawn evenly
 * from nothing to its bound (full jitter), so that those who failed together do not come back together.
 */
export function createRetries(options: RetriesOptions = {}): Retries {
  const { share, floor, maxTries, maxBackoffMs, random } = { ...DEFAULTS, ...options }
  let underWay = 0
  let repeating = 0
  /** Repetitions that requests have earned, at most as many as may be under way. */
  let earned = 0
  const bound = () => Math.max(floor, share * underWay)

  return { begin, underWay: () => underWay, repeating: () => repeating }

  function begin(): RetriedRequest {
    let tries = 1
    let repeats = false
    let over = false
    underWay++
    earned = Math.min(earned + share, bound())
    return {
      again(error, leftMs) {
        const { request, backoffMs } = remedyOf(error)
        if (over || request !== 'again' || tries >= maxTries) return null
        if (!repeats && repeating + 1 > bound()) return null
        if (earned < 1 && bound() > floor) return null
        const boundMs = Math.min(maxBackoffMs, backoffMs * 2 ** (tries - 1))
        const delayMs = random() * boundMs
        if (delayMs >= leftMs) return null
        tries++
        earned = Math.max(0, earned - 1)
        if (!repeats) repeating++
        repeats = true
        return delayMs
      },
      end() {
        if (over) return
        over = true
        underWay--
        if (repeats) repeating--
      },
    }
  }
}
