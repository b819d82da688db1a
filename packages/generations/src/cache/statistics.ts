import type { CacheCounters } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { Connection } from './connection.ts'
import { statisticsKey } from './keys.ts'

type Counted = keyof CacheCounters
type Models = Map<string, CacheCounters>

/** What tenants got from the cache and gave to it, by model, over all replicas. Lost counts are no loss. */
export type Statistics = {
  readonly count: (tenant: string, model: string, what: Counted, by?: number) => void
  /** Counts since the last `clear`; null if Redis is away. */
  readonly read: (tenant: string) => Promise<Array<CacheCounters & { model: string }> | null>
  readonly clear: (tenant: string) => Promise<void>
}

/** Counts are gathered here for so long, so that a call costs no command. */
const FLUSH_MS = 1000

const NAMES: readonly Counted[] = ['hits', 'misses', 'coalesced', 'bypassed', 'stored', 'storedBytes', 'savedTokens']

export function createStatistics(
  { connection, clock }: { connection: Connection | null; clock: Clock },
  { prefix }: { prefix: string },
): Statistics {
  /** Not yet in Redis; without Redis everything. */
  const waiting = new Map<string, Models>()
  let due = false

  return {
    count(tenant, model, what, by = 1) {
      countersOf(tenant, model)[what] += by
      if (connection === null || due) return
      due = true
      clock.after(FLUSH_MS, () => void flush(connection))
    },
    async read(tenant) {
      if (connection === null) return listed(waiting.get(tenant) ?? new Map())
      await flush(connection)
      const found = await connection.attempt((redis) => redis.hgetall(statisticsKey(prefix, tenant)))
      return found === null ? null : listed(parsed(found))
    },
    async clear(tenant) {
      waiting.delete(tenant)
      await connection?.attempt((redis) => redis.unlink(statisticsKey(prefix, tenant)))
    },
  }

  function countersOf(tenant: string, model: string): CacheCounters {
    const models = waiting.get(tenant) ?? new Map<string, CacheCounters>()
    waiting.set(tenant, models)
    const counters = models.get(model) ?? noCounts()
    models.set(model, counters)
    return counters
  }

  async function flush(redis: Connection): Promise<void> {
    due = false
    const counted = [...waiting]
    waiting.clear()
    await Promise.all(
      counted.flatMap(([tenant, models]) =>
        [...models].flatMap(([model, counters]) =>
          NAMES.filter((name) => counters[name] > 0).map((name) =>
            redis.attempt((client) =>
              client.hincrby(statisticsKey(prefix, tenant), `${name} ${model}`, counters[name]),
            ),
          ),
        ),
      ),
    )
  }
}

function noCounts(): CacheCounters {
  return { hits: 0, misses: 0, coalesced: 0, bypassed: 0, stored: 0, storedBytes: 0, savedTokens: 0 }
}

function parsed(fields: Readonly<Record<string, string>>): Models {
  const models: Models = new Map()
  for (const [field, value] of Object.entries(fields)) {
    const space = field.indexOf(' ')
    const name = NAMES.find((known) => known === field.slice(0, space))
    if (name === undefined) continue
    const model = field.slice(space + 1)
    const counters = models.get(model) ?? noCounts()
    models.set(model, counters)
    counters[name] = Number(value)
  }
  return models
}

const listed = (models: Models): Array<CacheCounters & { model: string }> =>
  [...models].map(([model, counters]) => ({ model, ...counters })).sort((a, b) => a.model.localeCompare(b.model))
