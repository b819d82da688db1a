import { mkdirSync } from 'node:fs'
import { openLoop, type OpenLoop } from '../load/open-loop.ts'
import { cpuUs } from '../measure/cpu.ts'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { CORES } from '../measure/pinned.ts'
import { newInstallation, startGateway, startRedis } from '../targets/gateway-process.ts'
import { startSimulator } from '../targets/simulator.ts'
import { streamBody } from './cases.ts'
import type { GatewayOptions } from './gateway.ts'

/** Every answer takes some 24 ms: 60 tokens at the pace of a fast model. */
const TOKENS_PER_SECOND = 2_500
const ANSWER_TOKENS = 60
/** What the loud tenant may have, and how many times as much it asks for. */
const QUOTA_PER_MINUTE = 600
const FACTORS = [10, 50] as const
/** What the quiet tenant asks for, as long as it lasts. */
const QUIET_PER_SECOND = 50
const PATIENCE_MS = 10_000

type Quiet = {
  readonly times: Distribution
  /** Anything but an answer. */
  readonly errors: number
}

type NeighboursRow = {
  /** What the loud tenant asks for, as a multiple of its quota. */
  readonly factor: number
  readonly alone: Quiet
  readonly beside: Quiet
  readonly p50Ratio: number
  readonly p99Ratio: number
  readonly loud: OpenLoop
  /** CPU time of the gateway for each call that it refused the loud tenant, its answers to the others taken off. */
  readonly refusalUs: number
}

export type NeighboursReport = { readonly quotaPerMinute: number; readonly rows: readonly NeighboursRow[] }

export type NeighboursOptions = Omit<GatewayOptions, 'cases'> & { readonly factors?: readonly number[] }

/**
 * Whether a tenant notices that another asks for many times its quota: what the quiet one waits for,
 * in stretches alone and beside the loud one in turn, over HTTP through one gateway on a core of its
 * own. All callers come at fixed rates, so that none of them waits for another.
 */
export async function neighboursBench(options: NeighboursOptions): Promise<NeighboursReport> {
  const { root, folder, tool, say, factors = FACTORS } = options
  mkdirSync(folder, { recursive: true })
  const redis = await startRedis(tool('redis-server'), CORES.load, folder)
  const simulator = await startSimulator(options, TOKENS_PER_SECOND)
  const installation = newInstallation()
  const place = { name: 'loopgate', core: CORES.gateway, node: process.execPath, root, folder, redisUrl: redis.url }
  const gateway = await startGateway({ ...place, upstream: simulator.origin }, installation, {
    limits: { requestsPerMinute: QUOTA_PER_MINUTE },
  })
  try {
    const callOf = (key: string) => ({
      url: `${gateway.origin}/v1/chat/completions`,
      headers: { authorization: `Bearer ${key}` },
      body: streamBody(ANSWER_TOKENS),
    })
    const [loud, quiet] = [callOf(installation.key), callOf(installation.otherKey)]
    const quietly = (seconds: number) =>
      openLoop(quiet, { perSecond: QUIET_PER_SECOND, seconds, deadlineMs: PATIENCE_MS })
    const loudly = (perSecond: number, seconds: number) =>
      openLoop(loud, { perSecond, seconds, deadlineMs: PATIENCE_MS })

    // The quota of this minute goes first: what is measured is a tenant that has none left.
    const burst = loudly(QUOTA_PER_MINUTE, 1)
    await Promise.all([burst, quietly(Math.max(1, options.warmupSeconds))])
    const rows: NeighboursRow[] = []
    for (const factor of factors) {
      say(`the loud tenant asks for ${factor} times its quota`)
      rows.push(await compare(factor, options, { quietly, loudly, pid: gateway.pid }))
    }
    return { quotaPerMinute: QUOTA_PER_MINUTE, rows }
  } finally {
    await gateway.stop()
    await simulator.stop()
    await redis.stop()
  }
}

type Load = ReturnType<typeof openLoop>
type Loads = {
  readonly quietly: (seconds: number) => Load
  readonly loudly: (perSecond: number, seconds: number) => Load
  /** Of the gateway. */
  readonly pid: number
}

async function compare(
  factor: number,
  { seconds, repeats }: NeighboursOptions,
  { quietly, loudly, pid }: Loads,
): Promise<NeighboursRow> {
  const alone: Awaited<Load>[] = []
  const beside: Awaited<Load>[] = []
  const loud: Awaited<Load>[] = []
  let refusalUs = 0
  for (let repeat = 0; repeat < repeats; repeat++) {
    const startUs = cpuUs([pid])
    alone.push(await quietly(seconds))
    const aloneUs = cpuUs([pid]) - startUs
    const [own, others] = await Promise.all([quietly(seconds), loudly((QUOTA_PER_MINUTE / 60) * factor, seconds)])
    const besideUs = cpuUs([pid]) - startUs - aloneUs
    beside.push(own)
    loud.push(others)
    refusalUs += (besideUs - aloneUs) / Math.max(1, others.refused) / repeats
  }
  const [before, after] = [sumUp(alone), sumUp(beside)]
  const total = (pick: (one: OpenLoop) => number) => loud.reduce((sum, one) => sum + pick(one), 0)
  return {
    factor,
    alone: before,
    beside: after,
    p50Ratio: after.times.p50 / before.times.p50,
    p99Ratio: after.times.p99 / before.times.p99,
    loud: {
      offered: total((one) => one.offered),
      good: total((one) => one.good),
      refused: total((one) => one.refused),
      late: total((one) => one.late),
      failed: total((one) => one.failed),
    },
    refusalUs,
  }
}

function sumUp(stretches: ReadonlyArray<Awaited<Load>>): Quiet {
  const errors = stretches.reduce((sum, { offered, good }) => sum + offered - good, 0)
  return { times: distribution(stretches.flatMap(({ timesMs }) => timesMs)), errors }
}
