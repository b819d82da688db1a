import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createLogger, LoopgateError, systemClock } from '@loopgate/service-kit'
import { freePort, type TestScope } from '@loopgate/testkit/redis'
import { Redis, type RedisOptions } from 'ioredis'
import t from 'tap'
import { createSliceConsumer, createSliceProducer } from '../src/index.ts'

const logger = createLogger('test', 'silent')
const program = fileURLToPath(new URL('../../../.loopgate/toolchain/bin/redis-server', import.meta.url))

/** A Redis that keeps what it acknowledged, and can be killed and started again on its port. */
async function restartableRedis(t: TestScope) {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'loopgate-queue-'))
  let child: ChildProcess | null = null
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  const start = async (): Promise<void> => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes']
    child = spawn(existsSync(program) ? program : 'redis-server', [...args, '--appendfsync', 'always'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of child.stdout ?? []) {
      if (String(line).includes('Ready to accept connections')) break
    }
  }
  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return { url: `redis://127.0.0.1:${port}`, start, kill, pid: () => child?.pid as number }
}

t.test('after Redis was killed and is back, waiting loops are run without a restart of the worker', async (t) => {
  const server = await restartableRedis(t)
  const connect = (options: RedisOptions): Redis => {
    const connection = new Redis(server.url, { ...options, retryStrategy: () => 50, replyMapping: 'legacy' })
    connection.on('error', () => {})
    t.teardown(() => connection.disconnect())
    return connection
  }
  const producer = createSliceProducer(
    { redis: connect({ maxRetriesPerRequest: 0, enableOfflineQueue: false }), logger },
    { keyPrefix: 'lg' },
  )
  const events = new EventEmitter()
  const consumer = createSliceConsumer(
    { redis: connect({ maxRetriesPerRequest: null }), logger, clock: systemClock },
    {
      keyPrefix: 'lg',
      concurrency: 2,
      stallMs: 1_000,
      handle: async ({ loopId }) => {
        events.emit('run', loopId)
        return 'done'
      },
    },
  )
  t.teardown(async () => {
    await consumer.close(5_000)
    await producer.close()
  })
  await consumer.ready()
  let run = once(events, 'run')
  await producer.enqueue('loop_a')
  t.same(await run, ['loop_a'])

  await server.kill()
  await t.rejects(producer.enqueue('loop_b'), { code: 'LG_STORE_UNAVAILABLE' }, 'whoever enqueues hears it at once')
  await server.start()

  run = once(events, 'run')
  for (;;) {
    try {
      await producer.enqueue('loop_b')
      break
    } catch (error) {
      if (!(error instanceof LoopgateError)) throw error
      await new Promise(setImmediate)
    }
  }
  t.same(await run, ['loop_b'])
})

t.test('with Redis frozen, closing a worker ends at its deadline', async (t) => {
  const server = await restartableRedis(t)
  const redis = new Redis(server.url, { maxRetriesPerRequest: null })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  const consumer = createSliceConsumer(
    { redis, logger, clock: systemClock },
    { keyPrefix: 'lg', concurrency: 2, stallMs: 1_000, handle: async () => 'done' },
  )
  await consumer.ready()
  process.kill(server.pid(), 'SIGSTOP')
  await consumer.close(100)
  t.pass('closed')
  process.kill(server.pid(), 'SIGCONT')
})
