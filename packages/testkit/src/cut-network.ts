import { lossyWay } from './lossy-way.ts'
import { metric } from './metrics.ts'
import type { TestScope } from './redis.ts'
import { runner } from './runner.ts'
import { allSlotsBack, eventually, marker, runnersOf, sleepers, type Door, type Ending } from './sleepers.ts'

export type CutOptions = {
  /** Executions that are active on the runner when it is cut off; as many as it has slots. */
  readonly active: number
  /** How long each of them sleeps. */
  readonly sleepSeconds: number
  /** Starts with the cut; the network is whole again when it resolves. */
  readonly cutFor: () => Promise<unknown>
  readonly say: (text: string) => void
}

export type CutReport = {
  readonly ends: readonly Ending[]
  /** Results of the runner that was cut off, which came when others had ended those executions. */
  readonly lateResults: number
  /** Executions that the gateway counted as ended well. */
  readonly counted: number
}

/** The runner that takes over. */
const REACHABLE = 'reachable'

/**
 * Cuts a runner off its gateway while it is busy, lets another take over what it had, and mends the network.
 * Resolves when the runner is back, its late results have come and all slots are free.
 * @throws Error naming what did not come about
 */
export async function cutNetwork(
  scope: TestScope,
  gw: Door & { readonly runnerToken: string },
  { active, sleepSeconds, cutFor, say }: CutOptions,
): Promise<CutReport> {
  const step = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    await eventually(holds).catch((cause: unknown) => {
      throw new Error(`${what}: this did not come about`, { cause })
    })
    say(what)
  }
  const start = (id: string, gatewayUrl: string) =>
    runner(scope, { gatewayUrl, token: gw.runnerToken, slots: active, env: { LOOPGATE_RUNNER_ID: id } })
  const way = await lossyWay(scope, gw.url)
  await start('cut-off', way.url)
  const { ends } = sleepers(gw, active, marker(sleepSeconds))
  const isBusy = async () => (await runnersOf(gw)).some(({ running }) => running === active)
  await step(`${active} executions are active`, isBusy)
  way.cut()
  const mended = cutFor()
  await step('the runner is given up', async () => (await runnersOf(gw)).length === 0)
  await start(REACHABLE, gw.url)
  const ended = await ends
  say('each has ended on another runner')
  await mended
  way.mend()
  await step('the runner is back', async () => (await runnersOf(gw)).length === 2)
  const late = () => metric(gw, 'loopgate_execution_late_results_total')
  await step('its late results have come', async () => (await late()) >= active)
  await step('all slots are back', () => allSlotsBack(gw))
  return {
    ends: ended,
    lateResults: await late(),
    counted: await metric(gw, 'loopgate_executions_total{outcome="ok"}'),
  }
}

/** What is not as it has to be after a cut: each execution ends once, late results are refused. */
export function cutFaults({ ends, lateResults, counted }: CutReport): string[] {
  const faults = ends
    .filter(({ index, result }) => result?.stdout !== `${index}\n` || result.runnerId !== REACHABLE)
    .map(({ index, result, failure }) => `execution ${index}: ${failure ?? JSON.stringify(result)}`)
  if (lateResults !== ends.length) faults.push(`${lateResults} late results of ${ends.length} executions`)
  if (counted !== ends.length) faults.push(`${counted} executions counted, of ${ends.length}`)
  return faults
}
