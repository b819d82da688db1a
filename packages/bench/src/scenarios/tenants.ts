import { mkdirSync } from 'node:fs'
import { Pool } from 'undici'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { CORES } from '../measure/pinned.ts'
import { rankSum, type RankSum } from '../measure/rank-sum.ts'
import { newInstallation, startGateway, startRedis } from '../targets/gateway-process.ts'
import { startSimulator } from '../targets/simulator.ts'
import type { GatewayOptions } from './gateway.ts'

const TOKENS_PER_SECOND = 2_500
/** Least length of an answer: some 25 ms at that pace, so that a hit stands far off. */
const ANSWER_TOKENS = 60
const SAMPLES = 200
/** Rounds before those that count: connections, compiled code. */
const WARM_UP = 20

export type TenantsReport = {
  /** What a tenant waits for an answer that another tenant has asked for before, in ms. */
  readonly second: Distribution
  /** What it waits for one that nobody has asked for. */
  readonly miss: Distribution
  /** What the first tenant waits when it asks again. */
  readonly hit: Distribution
  /** Second against miss: a small p would mean that a tenant learns what others have asked. */
  readonly secondAgainstMiss: RankSum
  /** Hit against miss: shows that the test would see a difference. */
  readonly hitAgainstMiss: RankSum
  /** Asked of the simulated Cerebras a round: one for each but the hit. */
  readonly upstreamCallsPerRound: number
}

export type TenantsOptions = Pick<GatewayOptions, 'root' | 'folder' | 'tool' | 'say'> & {
  readonly samples?: number
}

/**
 * Whether one tenant can tell by the time of an answer that another has asked for it. Each round asks,
 * one call after another and in an order that is drawn: what the other tenant has just had, what
 * nobody has had, and once more as the first tenant.
 */
export async function tenantsBench(options: TenantsOptions): Promise<TenantsReport> {
  const { root, folder, tool, say, samples = SAMPLES } = options
  mkdirSync(folder, { recursive: true })
  const redis = await startRedis(tool('redis-server'), CORES.load, folder)
  const simulator = await startSimulator(options, TOKENS_PER_SECOND)
  const shared = { core: CORES.gateway, node: process.execPath, root, folder, redisUrl: redis.url }
  const installation = newInstallation()
  const gateway = await startGateway({ ...shared, name: 'loopgate', upstream: simulator.origin }, installation)
  const pool = new Pool(gateway.origin, { connections: 1 })
  try {
    const ask = (key: string, text: string) => timed(pool, key, text)
    const times = { second: [] as number[], miss: [] as number[], hit: [] as number[] }
    let before = 0
    for (let round = -WARM_UP; round < samples; round++) {
      if (round === 0) before = await simulator.requests()
      await ask(installation.key, `program ${round}`)
      const turns = shuffled([
        ['second', installation.otherKey, `program ${round}`],
        ['miss', installation.otherKey, `another program ${round}`],
        ['hit', installation.key, `program ${round}`],
      ] as const)
      for (const [kind, key, text] of turns) {
        const ms = await ask(key, text)
        if (round >= 0) times[kind].push(ms)
      }
      if (round >= 0 && round % 50 === 0) say(`round ${round} of ${samples}`)
    }
    return {
      second: distribution(times.second),
      miss: distribution(times.miss),
      hit: distribution(times.hit),
      secondAgainstMiss: rankSum(times.second, times.miss),
      hitAgainstMiss: rankSum(times.hit, times.miss),
      upstreamCallsPerRound: ((await simulator.requests()) - before) / samples,
    }
  } finally {
    await pool.close()
    await gateway.stop()
    await simulator.stop()
    await redis.stop()
  }
}

/** Milliseconds of one call, the answer read to its end. @throws Error for any answer but a completion */
async function timed(pool: Pool, key: string, text: string): Promise<number> {
  const body = JSON.stringify({
    model: 'gpt-oss-120b',
    messages: [{ role: 'user', content: `Write a ${text}.` }],
    temperature: 0,
    min_completion_tokens: ANSWER_TOKENS,
  })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const startedAt = performance.now()
  const reply = await pool.request({ method: 'POST', path: '/v1/chat/completions', headers, body })
  const answer = await reply.body.text()
  if (reply.statusCode !== 200) throw new Error(`a caller was answered ${reply.statusCode}: ${answer.slice(0, 200)}`)
  return performance.now() - startedAt
}

/** In an order of its own, so that what follows on what favours none. */
function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
