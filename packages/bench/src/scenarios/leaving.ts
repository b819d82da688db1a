import { mkdirSync } from 'node:fs'
import { createScope } from '@loopgate/testkit/scope'
import { beginStream, scratchUpstream } from '@loopgate/testkit/scratch-upstream'
import { Agent, request } from 'undici'
import { distribution, type Distribution } from '../measure/distribution.ts'
import { CORES } from '../measure/pinned.ts'
import { newInstallation, startGateway, startRedis } from '../targets/gateway-process.ts'
import type { GatewayOptions } from './gateway.ts'

const ROUNDS = 200
const CALLERS = 20
const FIRST_EVENT = 'data: {"id":"x","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'

type LeavingRow = {
  readonly replicas: number
  readonly callers: number
  /** From the moment when all callers close their connections until the upstream sees its own closed, in ms. */
  readonly closedAfterMs: Distribution
}

export type LeavingReport = { readonly rows: readonly LeavingRow[] }

export type LeavingOptions = Pick<GatewayOptions, 'root' | 'folder' | 'tool' | 'say'> & {
  readonly replicas?: readonly number[]
  readonly rounds?: number
  readonly callers?: number
}

/**
 * How soon the upstream is left alone when all callers of a generation have gone: they share one call
 * that has given its first event, spread over the replicas, and close their connections together.
 */
export async function leavingBench(options: LeavingOptions): Promise<LeavingReport> {
  const { root, folder, tool, say, replicas = [1, 3], rounds = ROUNDS, callers = CALLERS } = options
  mkdirSync(folder, { recursive: true })
  const rows: LeavingRow[] = []
  const scope = createScope()
  const redis = await startRedis(tool('redis-server'), CORES.load, folder)
  try {
    const upstream = await scratchUpstream(scope, (call) => beginStream(call).write(FIRST_EVENT))
    for (const count of replicas) {
      say(`${count} ${count === 1 ? 'gateway' : 'gateways'}, ${callers} callers`)
      const installation = newInstallation()
      const shared = { core: CORES.gateway, node: process.execPath, root, folder, redisUrl: redis.url }
      const gateways = await Promise.all(
        Array.from({ length: count }, (_, index) =>
          startGateway({ ...shared, name: `loopgate-${index + 1}`, upstream: upstream.url }, installation),
        ),
      )
      const dispatcher = new Agent({ connections: callers })
      const times: number[] = []
      try {
        for (let round = 0; round < rounds; round++) {
          const calls = upstream.calls.length
          const leave = await share(
            Array.from({ length: callers }, (_, index) => gateways[index % count]?.origin ?? ''),
            installation.key,
            dispatcher,
          )
          const { abandoned } = await upstream.call(calls + 1)
          const leftAt = performance.now()
          leave()
          await abandoned
          times.push(performance.now() - leftAt)
          if (upstream.calls.length !== calls + 1) throw new Error('one question had more than one call')
        }
      } finally {
        await dispatcher.destroy()
        await Promise.all(gateways.map((gateway) => gateway.stop()))
      }
      rows.push({ replicas: count, callers, closedAfterMs: distribution(times) })
    }
  } finally {
    await scope.close()
    await redis.stop()
  }
  return { rows }
}

let nextSeed = 1

/** Callers of one generation, each with the first event in hand; returns their leaving. */
async function share(origins: readonly string[], key: string, dispatcher: Agent): Promise<() => void> {
  const gone = new AbortController()
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const body = JSON.stringify({
    model: 'gpt-oss-120b',
    messages: [{ role: 'user', content: 'Write.' }],
    seed: nextSeed++,
    stream: true,
  })
  await Promise.all(
    origins.map(async (origin) => {
      const { signal } = gone
      const reply = await request(`${origin}/v1/chat/completions`, {
        method: 'POST',
        headers,
        body,
        dispatcher,
        signal,
      })
      reply.body.on('error', () => {})
      await new Promise((resolve) => reply.body.once('data', resolve))
    }),
  )
  return () => gone.abort()
}
