import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '@loopgate/client'
import { growth, readCounters, type Counters } from './counters.ts'
import type { DemoProblem } from './problems.ts'
import type { Snapshot } from './progress.ts'
import type { Ended } from './report.ts'

const SNAPSHOT_EVERY_MS = 250

export type Solved = { readonly ended: readonly Ended[]; readonly counters: Counters; readonly elapsedMs: number }

/** Creates a loop for each problem, awaits the end of all, and shows snapshots meanwhile. */
export async function solve(
  client: Client,
  problems: readonly DemoProblem[],
  show: (snapshot: Snapshot) => void,
): Promise<Solved> {
  const zero = await readCounters(client)
  const startedAt = performance.now()
  const ended: Ended[] = []
  const running = Promise.all(
    problems.map(async (problem) => {
      const created = await client.loops.create(problem.loop)
      const view = await client.loops.wait(created.id)
      ended.push({ problem, view })
    }),
  )
  const snapshot = async (): Promise<Counters> => {
    const counters = growth(zero, await readCounters(client))
    const solved = ended.filter(({ view }) => view.state === 'accepted').length
    show({
      elapsedMs: performance.now() - startedAt,
      finished: ended.length,
      problems: problems.length,
      solved,
      counters,
    })
    return counters
  }
  let done = false
  const finished = running.finally(() => (done = true))
  while (!done) {
    await snapshot()
    await Promise.race([delay(SNAPSHOT_EVERY_MS), finished])
  }
  await finished
  const elapsedMs = performance.now() - startedAt
  return { ended, counters: await snapshot(), elapsedMs }
}
