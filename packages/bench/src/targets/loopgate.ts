import { CORES } from '../measure/pinned.ts'
import { newInstallation, startGateway, startRedis } from './gateway-process.ts'
import type { Target } from './target.ts'

/** Loopgate as it ships: keys, validation, metrics and Redis on; one process on the one core. */
export const loopgate: Target = target({ sheds: false })
/** The same, refusing what it cannot do in time. */
export const sheddingLoopgate: Target = target({ sheds: true })

function target(how: { readonly sheds: boolean }): Target {
  return {
    name: 'loopgate',
    label: 'Loopgate: authentication, validation, metrics and Redis on',
    start: async ({ core, node, upstream, folder, root, tool }) => {
      const redis = await startRedis(tool('redis-server'), CORES.load, folder)
      const installation = newInstallation()
      const place = { name: 'loopgate', core, node, root, folder, redisUrl: redis.url, upstream }
      const gateway = await startGateway(place, installation, how).catch(async (error: unknown) => {
        await redis.stop()
        throw error
      })
      return {
        origin: gateway.origin,
        headers: { authorization: `Bearer ${installation.key}` },
        pids: () => [gateway.pid],
        stop: async () => {
          await gateway.stop()
          await redis.stop()
        },
      }
    },
  }
}
