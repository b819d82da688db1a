import { mkdirSync } from 'node:fs'
import { createBurst, type Burst, type BurstCall } from '../load/burst.ts'
import { cpuUs } from '../measure/cpu.ts'
import { CORES } from '../measure/pinned.ts'
import { round } from '../report/figures.ts'
import { newInstallation, startGateway, startRedis } from '../targets/gateway-process.ts'
import { startSimulator, type Simulator } from '../targets/simulator.ts'
import type { GatewayOptions } from './gateway.ts'

/** Pace of the simulated generations: Cerebras' own order of magnitude. */
const TOKENS_PER_SECOND = 2_500
/** Least length of an answer: about 80 ms at that pace. It ends by itself, since one that is cut is not kept for late callers. */
const ANSWER_TOKENS = 200

type CoalescingRow = {
  readonly replicas: number
  readonly callers: number
  readonly coalescing: boolean
  /** Calls that reached the simulated Cerebras, over all bursts of the row. */
  readonly upstreamCalls: number
  readonly bursts: number
  /** Whether all callers of each burst got the same text. */
  readonly equalContents: boolean
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of all gateways for each caller. */
  readonly cpuUsPerCaller: number
}

export type CoalescingReport = {
  readonly tokensPerSecond: number
  readonly answerTokens: number
  readonly rows: readonly CoalescingRow[]
}

export type CoalescingOptions = Pick<GatewayOptions, 'repeats' | 'root' | 'folder' | 'tool' | 'say'> & {
  readonly replicas?: readonly number[]
  readonly callers?: readonly number[]
}

/**
 * What equal calls at the same moment cost with and without coalescing. Half of the callers stream;
 * replicas are called in turn and share one core. Each burst asks for an answer that nobody has
 * asked for before. Without coalescing is `cache-control: no-store`, which is how a gateway that
 * cannot coalesce behaves.
 */
export async function coalescingBench(options: CoalescingOptions): Promise<CoalescingReport> {
  const { folder, say, replicas = [1, 2, 4], callers = [1, 10, 100, 1000, 5000] } = options
  mkdirSync(folder, { recursive: true })
  const rows: CoalescingRow[] = []
  const redis = await startRedis(options.tool('redis-server'), CORES.load, folder)
  const simulator = await startSimulator(options, TOKENS_PER_SECOND)
  try {
    for (const count of replicas) {
      say(`starting ${count} ${count === 1 ? 'gateway' : 'gateways'}`)
      rows.push(...(await withGateways(count, callers, { ...options, redisUrl: redis.url, simulator })))
    }
  } finally {
    await simulator.stop()
    await redis.stop()
  }
  return { tokensPerSecond: TOKENS_PER_SECOND, answerTokens: ANSWER_TOKENS, rows }
}

type Place = CoalescingOptions & { readonly redisUrl: string; readonly simulator: Simulator }

async function withGateways(replicas: number, callers: readonly number[], place: Place): Promise<CoalescingRow[]> {
  const installation = newInstallation()
  const { root, folder, redisUrl, simulator } = place
  const shared = { core: CORES.gateway, node: process.execPath, root, folder, redisUrl, upstream: simulator.origin }
  const gateways = await Promise.all(
    Array.from({ length: replicas }, (_, index) =>
      startGateway({ ...shared, name: `loopgate-${index + 1}` }, installation),
    ),
  )
  const origins = gateways.map(({ origin }) => origin)
  const burst = createBurst(origins, Math.ceil(Math.max(...callers) / replicas))
  const rows: CoalescingRow[] = []
  try {
    for (const count of callers) {
      for (const coalescing of [true, false]) {
        place.say(`${replicas} gateways, ${count} callers, ${coalescing ? 'coalescing' : 'no-store'}`)
        const call = { origins, headers: headers(installation.key, coalescing), callers: count }
        await send(burst, call) // opens the connections and warms the code
        const before = { upstream: await simulator.requests(), cpu: cpuUs(gateways.map(({ pid }) => pid)) }
        const bursts = []
        for (let repeat = 0; repeat < place.repeats; repeat += 1) bursts.push(await send(burst, call))
        const used = cpuUs(gateways.map(({ pid }) => pid)) - before.cpu
        const times = bursts
          .flat()
          .map(({ ms }) => ms)
          .sort((a, b) => a - b)
        rows.push({
          replicas,
          callers: count,
          coalescing,
          upstreamCalls: (await simulator.requests()) - before.upstream,
          bursts: place.repeats,
          equalContents: bursts.every((answers) => new Set(answers.map(({ content }) => content)).size === 1),
          p50Ms: round(times[Math.floor(times.length / 2)] as number),
          p99Ms: round(times[Math.floor(times.length * 0.99)] as number),
          cpuUsPerCaller: round(used / times.length),
        })
      }
    }
  } finally {
    await burst.close()
    await Promise.all(gateways.map((gateway) => gateway.stop()))
  }
  return rows
}

const headers = (key: string, coalescing: boolean): Record<string, string> => ({
  authorization: `Bearer ${key}`,
  'content-type': 'application/json',
  ...(coalescing ? {} : { 'cache-control': 'no-store' }),
})

let nextSeed = 1

/** One burst for one answer, the callers spread over the replicas, every other one streaming. */
function send(
  burst: Burst,
  { origins, headers, callers }: { origins: readonly string[]; headers: Record<string, string>; callers: number },
) {
  const seed = nextSeed++
  const body = (stream: boolean) =>
    JSON.stringify({
      model: 'gpt-oss-120b',
      messages: [{ role: 'user', content: 'Write a function that merges two sorted lists.' }],
      seed,
      min_completion_tokens: ANSWER_TOKENS,
      ...(stream && { stream }),
    })
  const bodies = [body(false), body(true)]
  const calls = Array.from({ length: callers }, (_, index): BurstCall => {
    return {
      origin: origins[index % origins.length] as string,
      headers,
      body: bodies[Math.floor(index / origins.length) % 2] as string,
    }
  })
  return burst.send(calls)
}
