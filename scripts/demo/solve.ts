import { once } from 'node:events'
import { setInterval } from 'node:timers/promises'
import type { Client } from '@loopgate/client'
import { growth, readCounters, type Counters } from './counters.ts'
import type { DemoProblem } from './problems.ts'
import type { Snapshot } from './progress.ts'
import type { Ended } from './report.ts'

const SNAPSHOT_EVERY_MS = 250
/** How long a demo that is given up takes to cancel its loops; with a gateway that is gone it fails at once. */
const CANCEL_WITHIN_MS = 15_000

export type Solved = { readonly ended: readonly Ended[]; readonly counters: Counters; readonly elapsedMs: number }

/**
 * Creates a loop for each problem, awaits the end of all, and shows snapshots meanwhile. Once the
 * signal is aborted, or a call fails, the loops that have not ended are cancelled: durable as they
 * are, they would else go on in the next run and be counted there.
 */
export async function solve(
  client: Client,
  problems: readonly DemoProblem[],
  show: (snapshot: Snapshot) => void,
  signal: AbortSignal = new AbortController().signal,
): Promise<Solved> {
  const zero = await readCounters(client)
  const startedAt = performance.now()
  const ended: Ended[] = []
  // Not aborted by the signal: a loop that is made while its maker does not listen is never cancelled.
  const loops = problems.map((problem) => ({ problem, made: client.loops.create(problem.loop) }))
  const open = new Set<string>()
  const running = Promise.all(
    loops.map(async ({ problem, made }) => {
      const { id } = await made
      open.add(id)
      const view = await client.loops.wait(id, { signal })
      open.delete(id)
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
  const stopped = new AbortController()
  const watching = every(SNAPSHOT_EVERY_MS, stopped.signal, snapshot)
  try {
    await Promise.race([running, watching])
  } finally {
    stopped.abort()
    const within = AbortSignal.timeout(CANCEL_WITHIN_MS)
    await Promise.race([Promise.allSettled(loops.map(({ made }) => made)), once(within, 'abort')])
    await Promise.allSettled([...open].map((id) => client.loops.cancel(id, { signal: within })))
  }
  const elapsedMs = performance.now() - startedAt
  return { ended, counters: await snapshot(), elapsedMs }
}

/** Does the action again and again until the signal; rejects with the first failure of the action. */
async function every(ms: number, signal: AbortSignal, action: () => Promise<unknown>): Promise<never> {
  try {
    for await (const _ of setInterval(ms, undefined, { signal })) await action()
  } catch (error) {
    if (!signal.aborted) throw error
  }
  return new Promise<never>(() => {})
}
