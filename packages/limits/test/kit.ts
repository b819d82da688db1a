import { readFileSync } from 'node:fs'
import type { SpendLimits } from '@loopgate/contracts'
import { createRegistry, systemClock } from '@loopgate/service-kit'
import { privateRedis, redis } from '@loopgate/testkit/redis'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { createLimiter, defineScripts, type Limiter, type Link, type Payer } from '../src/index.ts'

/** A payer whose key and tenant have these limits. */
export const payer = (key: SpendLimits, tenant: SpendLimits = {}): Payer => ({
  tenant: 'acme',
  keyId: 'k1',
  limits: { key, tenant },
})

export const generation = (tokens = 0, microUsd = 0) => ({ kind: 'generation' as const, tokens, microUsd })

/** A connection that can be cut off: commands then get no reply. */
export function linkTo(t: Test, url: string): Link & { away: boolean } {
  const client = new Redis(url, { enableAutoPipelining: true })
  defineScripts(client)
  t.teardown(() => client.disconnect())
  const link = {
    away: false,
    attempt: async <T>(command: (redis: Redis) => Promise<T>) =>
      link.away ? null : await command(client).catch(() => null),
    status: () => (link.away ? ('down' as const) : ('up' as const)),
  }
  return link
}

/** So many replicas on one Redis. */
export async function replicas(t: Test, count: number, options: { leaseMs?: number } = {}) {
  const { url, keyPrefix } = await redis(t)
  return Array.from({ length: count }, () => {
    const link = linkTo(t, url)
    const registry = createRegistry()
    const deps = { link, clock: systemClock, registry, replicas: () => count }
    const limiter: Limiter = createLimiter(deps, { keyPrefix, ...options })
    t.teardown(() => limiter.close())
    return { limiter, link, registry }
  })
}

const folder = new URL('../src/scripts/', import.meta.url)

/** A Redis whose scripts take the time from the key `now`, so that a test can hold it in its hands. */
export async function timedRedis(t: Test): Promise<Redis> {
  const { url } = await privateRedis(t)
  const client = new Redis(url)
  t.teardown(() => client.disconnect())
  const timed = "local function clock() return tonumber(redis.call('GET', 'now')) end"
  const shared = readFileSync(new URL('book.lua', folder), 'utf8').replace(/local function clock[^]*?\nend/, timed)
  const files = {
    lgReserve: ['reserve', 4],
    lgSettle: ['settle', 4],
    lgRenewLeases: ['renew', 1],
    lgUsage: ['usage', 2],
  }
  for (const [command, [file, numberOfKeys]] of Object.entries(files)) {
    const lua = `${shared}\n${readFileSync(new URL(`${file}-${numberOfKeys}.lua`, folder), 'utf8')}`
    client.defineCommand(command, { numberOfKeys: Number(numberOfKeys), lua })
  }
  return client
}
