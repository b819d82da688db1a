// The loop-worker: reads the environment, connects, and stops in order.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createClient } from '@loopgate/client'
import { connectRedis } from '@loopgate/loop-store'
import { configOrExit, createLogger, createRegistry, loadConfig, onShutdown, systemClock } from '@loopgate/service-kit'
import { createWorker } from './app.ts'
import { configSchema } from './config.ts'
import { createPage } from './page.ts'

/** Waves last as long as their slowest execution; what is cut off is done again, from the cache. */
const GRACE_MS = 10_000

const config = configOrExit(() => loadConfig(configSchema, process.env), 2)
const logger = createLogger('loop-worker', config.LOOPGATE_LOG_LEVEL)
const redis = connectRedis(config.LOOPGATE_QUEUE_REDIS_URL ?? config.LOOPGATE_REDIS_URL, 'worker', {
  name: 'loop-worker',
  onChange: (up, err) => (up ? logger.info('Redis is back') : logger.warn({ err }, 'Redis is away: loops wait')),
})
const registry = createRegistry()
const client = createClient({
  baseUrl: config.LOOPGATE_GATEWAY_URL,
  apiKey: config.LOOPGATE_SERVICE_KEY.reveal(),
  onBehalf: true,
  // The loop engine counts and repeats faults; a second layer would multiply them.
  retries: 0,
  // Slices wait for executions that wait in the gateway's queue, all of them at once.
  connections: 2_048,
})
const worker = createWorker(
  { redis, client, clock: systemClock, logger, registry },
  {
    keyPrefix: config.LOOPGATE_KEY_PREFIX,
    concurrency: config.LOOPGATE_WORKER_CONCURRENCY,
    sliceMs: config.LOOPGATE_SLICE_MS,
    stallMs: config.LOOPGATE_STALL_MS,
  },
)
const page = createPage({ registry, healthy: () => redis.status === 'ready' })
if (config.LOOPGATE_WORKER_PORT > 0) {
  page.listen(config.LOOPGATE_WORKER_PORT, config.LOOPGATE_HOST)
  await once(page, 'listening')
  logger.info({ port: (page.address() as AddressInfo).port }, 'health and metrics')
}

onShutdown(logger, GRACE_MS + 2_000, async () => {
  await worker.close(GRACE_MS)
  page.close()
  page.closeAllConnections()
  await client.close()
  redis.disconnect()
})
await worker.ready()
logger.info({ concurrency: config.LOOPGATE_WORKER_CONCURRENCY, gateway: config.LOOPGATE_GATEWAY_URL }, 'taking loops')
