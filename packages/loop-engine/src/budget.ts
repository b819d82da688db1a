import type { LoopRequest } from '@loopgate/contracts'
import { promptTokensBound } from './prompt.ts'

type Spent = {
  readonly request: LoopRequest
  readonly committed: number
  readonly spentTokens: number
  readonly promptTokens: number
}

/** How many iterations the next wave may have, or which budget forbids even one. */
export type Allowance = { readonly width: number } | { readonly exhausted: string }

/**
 * Reserves before the call: a wave is so narrow that it cannot pass a budget even if every answer
 * is as long as allowed. What its answers leave over is there for the next wave.
 */
export function allowance({ request, committed, spentTokens, promptTokens }: Spent): Allowance {
  const { budget, sampling } = request
  if (budget.seconds === 0) return { exhausted: secondsSpent(0) }
  const iterations = (budget.iterations ?? Infinity) - committed
  if (iterations <= 0) return { exhausted: `the budget of ${budget.iterations} iterations is spent` }
  const leftTokens = (budget.tokens ?? Infinity) - spentTokens
  const eachTokens = sampling.maxCompletionTokens + (promptTokens > 0 ? promptTokens : promptTokensBound(request))
  const affordable = Math.floor(leftTokens / eachTokens)
  if (affordable < 1) {
    return {
      exhausted: `of the budget of ${budget.tokens} tokens ${leftTokens} are left, and an iteration may need ${eachTokens}`,
    }
  }
  return { width: Math.min(sampling.fanOut, iterations, affordable) }
}

export const secondsSpent = (seconds: number | undefined): string => `the budget of ${seconds} seconds is spent`
