import { createClient } from '@loopgate/client'
import { demoProblems } from '../demo/problems.ts'
import type { Stack } from '../stack/stack.ts'
import { killAtRandom } from './killer.ts'
import type { ChaosOptions } from './options.ts'

export type ChaosReport = {
  readonly seed: number
  readonly killed: readonly string[]
  readonly solved: number
  readonly expectedSolved: number
  /** Loops that did not end as the recorded verdicts foretell. */
  readonly mismatches: readonly string[]
  /** Loops whose iterations are not those of an undisturbed run. */
  readonly lineages: readonly string[]
}

const BUDGET = 10
const FAN_OUT = 4

/**
 * Solves problems while processes of the stack are killed at random, and holds each loop's end and the
 * number of its iterations against what an undisturbed run gives.
 */
export async function chaos(stack: Stack, options: ChaosOptions, say: (text: string) => void): Promise<ChaosReport> {
  const { gatewayUrl, apiKey } = stack.dev()
  const client = createClient({ baseUrl: gatewayUrl, apiKey, retries: 20 })
  const demo = { problems: options.problems, budget: BUDGET, fanOut: FAN_OUT, isolation: 'process' as const }
  const problems = demoProblems({ ...demo, json: false, keep: false })
  const over = new AbortController()
  const killing = killAtRandom(stack, options, over.signal, say)
  try {
    const ended = await Promise.all(
      problems.map(async (problem) => {
        const { id } = await client.loops.create(problem.loop)
        return { problem, view: await client.loops.wait(id) }
      }),
    )
    over.abort()
    const foretold = (firstPassing: number | null) => (firstPassing === null ? BUDGET : firstPassing + 1)
    return {
      seed: options.seed,
      killed: await killing,
      solved: ended.filter(({ view }) => view.state === 'accepted').length,
      expectedSolved: problems.filter(({ firstPassing }) => firstPassing !== null).length,
      mismatches: ended
        .filter(({ problem, view }) => (view.state === 'accepted') !== (problem.firstPassing !== null))
        .map(({ problem, view }) => `${problem.taskId}: ${view.state} (${view.reason ?? 'no reason'})`),
      lineages: ended
        .filter(({ problem, view }) => view.counts.iterations !== foretold(problem.firstPassing))
        .map(({ problem, view }) => `${problem.taskId}: ${view.counts.iterations} iterations`),
    }
  } finally {
    over.abort()
    await killing
    await client.close()
  }
}
