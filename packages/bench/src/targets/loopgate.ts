import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { freePort } from '@loopgate/testkit/redis'
import { CORES, startPinned } from '../measure/pinned.ts'
import type { Target } from './target.ts'

/** Loopgate as it ships: keys, validation, metrics and Redis on; one process on the one core. */
export const loopgate: Target = {
  name: 'loopgate',
  label: 'Loopgate: authentication, validation, metrics and Redis on',
  start: async ({ core, node, upstream, folder, root, tool }) => {
    const redisPort = await freePort()
    const redis = startPinned(
      'redis',
      CORES.load,
      [tool('redis-server'), '--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
      { logFolder: folder },
    )
    const port = await freePort()
    const key = `lgk-${randomBytes(24).toString('hex')}`
    const sha256 = createHash('sha256').update(key).digest('hex')
    const gateway = startPinned('loopgate', core, [node, join(root, 'services/gateway/src/server.ts')], {
      logFolder: folder,
      env: {
        NODE_ENV: 'production',
        LOOPGATE_PORT: String(port),
        LOOPGATE_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
        LOOPGATE_API_KEYS: JSON.stringify([{ tenant: 'bench', name: 'bench', sha256, scopes: ['complete'] }]),
        LOOPGATE_RUNNER_TOKEN: randomBytes(24).toString('hex'),
        LOOPGATE_UPSTREAM_URL: upstream,
        CEREBRAS_API_KEY: 'csk-bench',
      },
    })
    const stop = async () => {
      await gateway.stop()
      await redis.stop()
    }
    try {
      await gateway.answers(`http://127.0.0.1:${port}/healthz`)
    } catch (error) {
      await stop()
      throw error
    }
    return {
      origin: `http://127.0.0.1:${port}`,
      headers: { authorization: `Bearer ${key}` },
      pids: () => [gateway.pid],
      stop,
    }
  },
}
