import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { ConfiguredKey, SpendLimits } from '@loopgate/contracts'
import { freePort } from '@loopgate/testkit/redis'
import { startPinned, type Pinned } from '../measure/pinned.ts'

/** A Redis without persistence, for the cache alone. */
export async function startRedis(
  program: string,
  core: number | string,
  logFolder: string,
): Promise<Pinned & { url: string }> {
  const port = await freePort()
  const redis = startPinned(
    'redis',
    core,
    [program, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { logFolder },
  )
  return { ...redis, url: `redis://127.0.0.1:${port}` }
}

/** What gateways that belong together share. */
export type Installation = {
  readonly key: string
  /** Of another tenant. */
  readonly otherKey: string
  readonly runnerToken: string
  readonly cacheSecret: string
}

export const newInstallation = (): Installation => ({
  key: `lgk-${randomBytes(24).toString('hex')}`,
  otherKey: `lgk-${randomBytes(24).toString('hex')}`,
  runnerToken: randomBytes(24).toString('hex'),
  cacheSecret: randomBytes(24).toString('hex'),
})

export type GatewayPlace = {
  readonly name: string
  readonly core: number | string
  readonly node: string
  readonly root: string
  readonly folder: string
  readonly redisUrl: string
  readonly upstream: string
}

export type GatewayWays = {
  /** Whether it refuses what it cannot do in time. */
  readonly sheds?: boolean
  /** Of the first key; the other has none. */
  readonly limits?: SpendLimits
}

/** Loopgate's gateway as it ships, on one core; resolves once it answers. */
export async function startGateway(
  place: GatewayPlace,
  shared: Installation,
  { sheds = false, limits = {} }: GatewayWays = {},
): Promise<Pinned & { origin: string }> {
  const port = await freePort()
  const keys = Object.entries({ bench: shared.key, other: shared.otherKey }).map(([tenant, key]): ConfiguredKey => {
    const sha256 = createHash('sha256').update(key).digest('hex')
    const own = key === shared.key ? limits : {}
    return { tenant, name: tenant, sha256, scopes: ['complete', 'execute'], limits: own }
  })
  const gateway = startPinned(
    place.name,
    place.core,
    [place.node, join(place.root, 'services/gateway/src/server.ts')],
    {
      logFolder: place.folder,
      env: {
        NODE_ENV: 'production',
        // Else what is measured is how much it can do, not what it takes on.
        ...(sheds ? {} : { LOOPGATE_SHED_DELAY_MS: '60000' }),
        LOOPGATE_PORT: String(port),
        LOOPGATE_REDIS_URL: place.redisUrl,
        LOOPGATE_API_KEYS: JSON.stringify(keys),
        LOOPGATE_RUNNER_TOKEN: shared.runnerToken,
        LOOPGATE_CACHE_SECRET: shared.cacheSecret,
        LOOPGATE_UPSTREAM_URL: place.upstream,
        CEREBRAS_API_KEY: 'csk-bench',
      },
    },
  )
  const origin = `http://127.0.0.1:${port}`
  try {
    await gateway.answers(`${origin}/healthz`)
  } catch (error) {
    await gateway.stop()
    throw error
  }
  return { ...gateway, origin }
}
