import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gateway } from '@loopgate/testkit/gateway'
import { privateRedis } from '@loopgate/testkit/redis'
import { createScope } from '@loopgate/testkit/scope'
import { cerebrasSim } from '@loopgate/testkit/sim'
import { Agent, request } from 'undici'

/** What is left behind at one moment. */
type Leftovers = {
  /** Flights that the gateway holds. */
  readonly flights: number
  /** Generations that the upstream still works on. */
  readonly upstreamInFlight: number
  readonly sockets: number
  readonly listenersWarned: boolean
  /** After a full collection. */
  readonly heapBytes: number
}

export type SoakReport = {
  readonly aborted: number
  readonly before: Leftovers
  readonly after: Leftovers
  readonly heapBytesPerAbort: number
}

export type SoakOptions = { readonly count: number; readonly concurrency: number; readonly say: (line: string) => void }

/** Callers leave before the headers, at the headers, at the first piece, or some pieces later. */
const STAGES = 4
const PIECES_OF_LAST_STAGE = 5
/** Longest wait for everything to be let go. */
const SETTLE_MS = 10_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Streams that their callers leave, one after another at each stage of a stream's life, every other one
 * shareable: afterwards nothing of them may be left. Gateway, simulator and callers share this
 * process, so its heap holds all that could leak. The first tenth warms up, then the baseline is read.
 */
export async function abortedStreams({ count, concurrency, say }: SoakOptions): Promise<SoakReport> {
  const scope = createScope()
  let listenersWarned = false
  const warned = (warning: Error): void => {
    if (warning.name === 'MaxListenersExceededWarning') listenersWarned = true
  }
  process.on('warning', warned)
  try {
    const redis = await privateRedis(scope)
    const simulator = await cerebrasSim(scope, { tokensPerSecond: 2_500 })
    const { url, apiKey } = await gateway(scope, {
      upstreamUrl: simulator.url,
      upstreamKey: simulator.apiKey,
      redis: { url: redis.url, keyPrefix: 'soak' },
    })
    const leftovers = async (): Promise<Leftovers> => {
      const read = async () => ({
        flights: await flightsOf(url),
        upstreamInFlight: (await simulator.stats()).inFlight,
      })
      let now = await read()
      for (const until = performance.now() + SETTLE_MS; performance.now() < until; now = await read()) {
        if (now.flights === 0 && now.upstreamInFlight === 0) break
        await delay(20)
      }
      collect()
      const sockets = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
      return { ...now, sockets, listenersWarned, heapBytes: process.memoryUsage().heapUsed }
    }
    const warmUp = Math.ceil(count / 10)
    await leaveAll(url, apiKey, 0, warmUp, concurrency)
    const before = await leftovers()
    say(`after ${warmUp} aborted streams: ${JSON.stringify(before)}`)
    await leaveAll(url, apiKey, warmUp, count, concurrency)
    const after = await leftovers()
    const heapBytesPerAbort = Math.round((after.heapBytes - before.heapBytes) / count)
    return { aborted: count, before, after, heapBytesPerAbort }
  } finally {
    process.off('warning', warned)
    await scope.close()
  }
}

async function leaveAll(url: string, apiKey: string, from: number, count: number, concurrency: number): Promise<void> {
  const dispatcher = new Agent({ connections: concurrency })
  let next = from
  const caller = async (): Promise<void> => {
    while (next < from + count) await leave(url, apiKey, next++, dispatcher)
  }
  await Promise.all(Array.from({ length: concurrency }, caller))
  await dispatcher.destroy()
}

async function leave(url: string, apiKey: string, index: number, dispatcher: Agent): Promise<void> {
  const stage = index % STAGES
  const left = new AbortController()
  const body = JSON.stringify({
    model: 'gpt-oss-120b',
    messages: [{ role: 'user', content: `Write a long program, number ${index}.` }],
    stream: true,
    min_completion_tokens: 2_000,
    ...(Math.floor(index / STAGES) % 2 === 0 && { seed: index }),
  })
  try {
    const answer = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body,
      dispatcher,
      signal: left.signal,
    })
    if (stage === 0) setImmediate(() => left.abort())
    const reply = await answer
    if (stage === 1) left.abort()
    let pieces = 0
    for await (const _ of reply.body) {
      pieces += 1
      if (pieces === (stage === 2 ? 1 : PIECES_OF_LAST_STAGE)) left.abort()
    }
    throw new Error(`stream ${index} came to its end before its caller had left`)
  } catch (error) {
    if (!left.signal.aborted) throw error
  }
}

async function flightsOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(/^loopgate_flights (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}
