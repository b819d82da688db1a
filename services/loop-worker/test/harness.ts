import { createClient } from '@loopgate/client'
import {
  loopRequestSchema,
  TERMINAL_STATES,
  type LoopEvent,
  type LoopInput,
  type LoopRequest,
  type LoopState,
  type LoopView,
} from '@loopgate/contracts'
import { connectRedis, createLoopStore, type LoopStore } from '@loopgate/loop-store'
import { createLogger, createRegistry, systemClock, type Clock } from '@loopgate/service-kit'
import { redis, type TestScope } from '@loopgate/testkit/redis'
import { createSliceProducer } from '@loopgate/work-queue'
import { createWorker, type WorkerOptions } from '../src/app.ts'
import { fakeGateway, type FakeGateway, type Script } from './fake-gateway.ts'

const logger = createLogger('test', 'silent')

/** Back-off and quanta a hundred times as fast; their order stays. */
const fastClock: Clock = { ...systemClock, after: (ms, action) => systemClock.after(ms / 100, action) }

export const ACME = { tenant: 'acme', keyId: 'key_acme' }

export const loop = (changes: Partial<LoopInput> = {}): LoopRequest =>
  loopRequestSchema.parse({
    goal: 'a goal',
    language: 'python',
    checks: [{ id: 'tests', entryPoint: 'f', source: 'def check(candidate): pass' }],
    sampling: { model: 'm', fanOut: 4 },
    budget: { iterations: 8 },
    ...changes,
  })

/** Answers `<prompt>#<sample index>`, of which those given pass. */
export const passing = (...codes: string[]): Script => ({
  answer: (prompt, sampleIndex) => `${prompt}#${sampleIndex}`,
  passes: (code) => codes.includes(code),
})

/** Redis, a fake gateway, and what the real gateway does to have a loop run. */
export async function harness(t: TestScope, script: Script) {
  const { url: redisUrl, keyPrefix } = await redis(t)
  const gateway = await fakeGateway(t, script)
  const connection = connectRedis(redisUrl, 'fail-fast')
  const store = createLoopStore({ redis: connection, clock: systemClock }, { keyPrefix })
  const producer = createSliceProducer({ redis: connection, logger }, { keyPrefix })
  t.teardown(async () => {
    await Promise.all([store.close(), producer.close()])
    connection.disconnect()
  })
  const create = async (request: LoopRequest): Promise<string> => {
    const { loop } = await store.create(ACME, request)
    await producer.enqueue(loop.id)
    return loop.id
  }
  return { redisUrl, keyPrefix, gateway, store, producer, create, ...ends(store) }
}

/** A worker in this process. */
export async function startWorker(
  t: TestScope,
  { redisUrl, keyPrefix, gateway }: { redisUrl: string; keyPrefix: string; gateway: FakeGateway },
  options: Partial<WorkerOptions> & { clock?: Clock } = {},
) {
  const { clock = fastClock, ...rest } = options
  const connection = connectRedis(redisUrl, 'worker')
  const client = createClient({ baseUrl: gateway.url, apiKey: gateway.apiKey, retries: 0, onBehalf: true })
  const registry = createRegistry({ processMetrics: false })
  const worker = createWorker(
    { redis: connection, client, clock, logger, registry },
    // The sweep claims once in 20 s of Redis time: out of the way unless a test wants it.
    { keyPrefix, concurrency: 8, sliceMs: 500_000, stallMs: 10_000, sweepMs: 20_000_000, ...rest },
  )
  let closed: Promise<void> | null = null
  const close = (): Promise<void> => (closed ??= worker.close(10_000))
  t.teardown(async () => {
    await close()
    await client.close()
    connection.disconnect()
  })
  await worker.ready()
  return { registry, close }
}

function ends(store: LoopStore) {
  /** The loop once it is in one of these states. */
  const until = async (id: string, states: ReadonlySet<LoopState> = TERMINAL_STATES): Promise<LoopView> => {
    const reached = Promise.withResolvers<void>()
    const look = async (): Promise<LoopView | null> => {
      const view = (await store.get(id))?.view ?? null
      return view !== null && states.has(view.state) ? view : null
    }
    const release = await store.onEvents(id, (notice) => {
      if (notice !== null && states.has(notice.state)) reached.resolve()
    })
    try {
      return (await look()) ?? (await reached.promise.then(look)) ?? (await until(id, states))
    } finally {
      release()
    }
  }
  return { until, events: (id: string): Promise<LoopEvent[]> => store.eventsAfter(id, 0, 10_000) }
}

/** What must be the same however often workers died: everything but where a generation came from. */
export const lineage = (events: readonly LoopEvent[]) =>
  events.flatMap(({ event }): object[] => {
    if (event.type === 'iteration') return [{ ...event.record, cache: null }]
    if (event.type === 'accepted') return [event.accepted]
    return []
  })
