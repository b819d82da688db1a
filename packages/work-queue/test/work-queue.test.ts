import { spawn } from 'node:child_process'
import { EventEmitter, on, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createLogger, systemClock } from '@loopgate/service-kit'
import { redis, type TestScope } from '@loopgate/testkit/redis'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import t from 'tap'
import {
  createSliceConsumer,
  createSliceProducer,
  queuePrefix,
  SLICE_QUEUE,
  sliceJobOptions,
  type SliceEnd,
  type SliceRun,
} from '../src/index.ts'

const logger = createLogger('test', 'silent')

/** A producer on a Redis of the test, and consumers whose runs can be awaited in order. */
async function queue(t: TestScope) {
  const { url, keyPrefix, client } = await redis(t)
  const connect = (maxRetriesPerRequest: number | null): Redis => {
    const connection = new Redis(url, { maxRetriesPerRequest })
    t.teardown(() => connection.disconnect())
    return connection
  }
  const producer = createSliceProducer({ redis: connect(0), logger }, { keyPrefix })
  t.teardown(() => producer.close())
  const consume = (
    handle: (run: SliceRun) => Promise<SliceEnd>,
    options: { concurrency?: number; stallMs?: number } = {},
  ) => {
    const consumer = createSliceConsumer(
      { redis: connect(null), logger, clock: systemClock },
      { keyPrefix, concurrency: options.concurrency ?? 1, stallMs: options.stallMs ?? 10_000, handle },
    )
    t.teardown(() => consumer.close(5_000))
    return consumer
  }
  /** Keys of jobs and of what belongs to one loop; not the queue's own. */
  const jobKeys = async (): Promise<string[]> =>
    (await client.keys(`${queuePrefix(keyPrefix)}:${SLICE_QUEUE}:*`)).filter((key) => /:(\d+|de:.*|dn:.*)$/.test(key))
  return { url, keyPrefix, producer, consume, jobKeys }
}

/** The next `count` values that were emitted as `run`. */
async function take(events: EventEmitter, count: number): Promise<string[]> {
  const taken: string[] = []
  for await (const [value] of on(events, 'run') as AsyncIterable<[string]>) {
    taken.push(value)
    if (taken.length === count) break
  }
  return taken
}

t.test('a loop that is enqueued many times is run once', async (t) => {
  const { producer, consume, jobKeys } = await queue(t)
  for (let n = 0; n < 3; n += 1) await producer.enqueue('loop_a')
  t.same(await producer.depth(), { waiting: 1, active: 0 })
  const events = new EventEmitter()
  const runs: string[] = []
  const first = once(events, 'drained')
  consume(async ({ loopId }) => {
    runs.push(loopId)
    if (loopId === 'loop_last') events.emit('drained')
    return 'done'
  })
  await producer.enqueue('loop_last')
  await first
  t.same(runs, ['loop_a', 'loop_last'])
  while ((await jobKeys()).length > 0) await new Promise(setImmediate)
  t.same(await producer.depth(), { waiting: 0, active: 0 }, 'nothing is kept of jobs that ended')
})

t.test('a loop that ended and is enqueued again runs again', async (t) => {
  const { producer, consume, jobKeys } = await queue(t)
  const events = new EventEmitter()
  const taken = take(events, 2)
  consume(async ({ loopId }) => {
    events.emit('run', loopId)
    return 'done'
  })
  await producer.enqueue('loop_a')
  await once(events, 'run')
  while ((await jobKeys()).length > 0) await new Promise(setImmediate)
  await producer.enqueue('loop_a')
  t.same(await taken, ['loop_a', 'loop_a'])
})

t.test('loops that yield take turns', async (t) => {
  const { producer, consume } = await queue(t)
  for (const id of ['loop_a', 'loop_b', 'loop_c']) await producer.enqueue(id)
  const events = new EventEmitter()
  const taken = take(events, 9)
  const turns = new Map<string, number>()
  consume(async ({ loopId }) => {
    events.emit('run', loopId)
    const turn = (turns.get(loopId) ?? 0) + 1
    turns.set(loopId, turn)
    return turn < 3 ? 'yield' : 'done'
  })
  t.same(
    await taken,
    [1, 2, 3].flatMap(() => ['loop_a', 'loop_b', 'loop_c']),
    'none runs its next slice before the others had theirs',
  )
})

t.test('a loop enqueued while its slice runs is run once more afterwards, not twice at once', async (t) => {
  const { producer, consume, jobKeys } = await queue(t)
  let running = 0
  let most = 0
  const runs: number[] = []
  consume(
    async () => {
      running += 1
      most = Math.max(most, running)
      if (runs.push(1) === 1) for (let n = 0; n < 3; n += 1) await producer.enqueue('loop_a')
      running -= 1
      return 'done'
    },
    { concurrency: 4 },
  )
  await producer.enqueue('loop_a')
  while (runs.length < 2 || (await jobKeys()).length > 0) await new Promise(setImmediate)
  t.equal(runs.length, 2)
  t.equal(most, 1)
})

t.test('a loop enqueued while its slice runs keeps its turn when the slice yields', async (t) => {
  const { producer, consume, jobKeys } = await queue(t)
  const runs: number[] = []
  consume(async () => {
    const first = runs.push(1) === 1
    if (first) await producer.enqueue('loop_a')
    return first ? 'yield' : 'done'
  })
  await producer.enqueue('loop_a')
  while (runs.length < 3 || (await jobKeys()).length > 0) await new Promise(setImmediate)
  t.equal(runs.length, 3, 'the yielded slice, its end, and the one asked for meanwhile')
})

t.test('slices of a worker killed with SIGKILL are run by another, however often that happens', async (t) => {
  const { url, keyPrefix, producer, consume } = await queue(t)
  const stallMs = 400
  const ids = ['loop_a', 'loop_b', 'loop_c']
  for (const id of ids) await producer.enqueue(id)
  for (let death = 0; death < 3; death += 1) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('consumer-process.ts', import.meta.url)), JSON.stringify({ url, keyPrefix, stallMs })],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    t.teardown(() => child.kill('SIGKILL'))
    const started = new Set<string>()
    for await (const line of createInterface({ input: child.stdout })) {
      const { started: id } = JSON.parse(line) as { started?: string }
      if (id !== undefined) started.add(id)
      if (started.size === ids.length) break
    }
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    t.same([...started].sort(), ids, `worker ${death + 1} ran all of them`)
  }
  const events = new EventEmitter()
  const taken = take(events, 3)
  consume(
    async ({ loopId }) => {
      events.emit('run', loopId)
      return 'done'
    },
    { concurrency: 4, stallMs },
  )
  t.same((await taken).sort(), ids)
})

t.test('a slice that throws is tried again', async (t) => {
  const { producer, consume } = await queue(t)
  const events = new EventEmitter()
  consume(async ({ lastAttempt }) => {
    events.emit('run', String(lastAttempt))
    throw new Error('boom')
  })
  await producer.enqueue('loop_a')
  t.same(await take(events, 2), ['false', 'false'])
})

t.test('the last try of a slice is told that it is the last', async (t) => {
  const { url, keyPrefix, consume } = await queue(t)
  const connection = new Redis(url)
  const bare = new Queue(SLICE_QUEUE, { connection, prefix: queuePrefix(keyPrefix) })
  t.teardown(async () => {
    await bare.close()
    connection.disconnect()
  })
  const events = new EventEmitter()
  const taken = take(events, 1)
  consume(async ({ lastAttempt }) => {
    events.emit('run', String(lastAttempt))
    throw new Error('boom')
  })
  await bare.add('slice', { loopId: 'loop_a' }, { ...sliceJobOptions('loop_a'), attempts: 1 })
  t.same(await taken, ['true'])
})

t.test('a job holds the id of its loop and nothing else', async (t) => {
  const { url, keyPrefix, producer } = await queue(t)
  const connection = new Redis(url)
  t.teardown(() => connection.disconnect())
  await producer.enqueue('loop_a')
  const data = await connection.hget(`${queuePrefix(keyPrefix)}:${SLICE_QUEUE}:1`, 'data')
  t.equal(data, '{"loopId":"loop_a"}')
})

t.test('closing waits for the running slice', async (t) => {
  const { producer, consume } = await queue(t)
  const events = new EventEmitter()
  let ended = false
  const consumer = consume(async () => {
    events.emit('run', 'loop_a')
    await once(events, 'go on')
    ended = true
    return 'done'
  })
  const started = once(events, 'run')
  await producer.enqueue('loop_a')
  await started
  const closed = consumer.close(10_000)
  events.emit('go on')
  await closed
  t.equal(ended, true)
})

t.test('closing does not wait longer than it was told to', async (t) => {
  const { producer, consume } = await queue(t)
  const events = new EventEmitter()
  const consumer = consume(async () => {
    events.emit('run', 'loop_a')
    await once(events, 'go on')
    return 'done'
  })
  const started = once(events, 'run')
  await producer.enqueue('loop_a')
  await started
  await consumer.close(20)
  t.pass('closed although the slice still runs')
  events.emit('go on')
})
