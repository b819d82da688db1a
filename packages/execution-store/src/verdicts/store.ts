import { executionResultSchema, type ExecutionRequest, type ExecutionResult } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { verdictKeys, verdictPrefix } from '../keys.ts'
import { runScript } from '../scripts.ts'
import { createAside } from './aside.ts'
import { verdictKey } from './key.ts'
import { asksVerdict, reusable } from './reusable.ts'

/** Verdicts that need not be found again by running the candidate. Never throws: what fails is a miss. */
export type VerdictStore = {
  /** Whether it has anything to do with such a request. */
  readonly takes: (request: ExecutionRequest) => boolean
  /** What an execution of the same request said, under one of these versions of its runtime. */
  readonly recall: (
    tenant: string,
    request: ExecutionRequest,
    runtimeVersions: readonly string[],
  ) => Promise<ExecutionResult | null>
  /** Keeps a result if the same request would give it again. Resolves when it is kept or given up. */
  readonly keep: (tenant: string, request: ExecutionRequest, result: ExecutionResult) => Promise<void>
}

export type VerdictOptions = {
  readonly keyPrefix: string
  readonly ttlSeconds: number
  /** Entries of one tenant; the oldest goes first. */
  readonly maxEntries: number
}

/** Running the candidate takes a few milliseconds: looking it up must not take many more. */
const TIMEOUT_MS = 100
const REST_MS = 1_000

const entrySchema = z.object({ key: z.string(), result: executionResultSchema })

/** `redis` is a `fail-fast` connection; it is not closed here. */
export function createVerdictStore(
  { redis, clock }: { readonly redis: Redis; readonly clock: Clock },
  { keyPrefix, ttlSeconds, maxEntries }: VerdictOptions,
): VerdictStore {
  const aside = createAside(clock, { timeoutMs: TIMEOUT_MS, restMs: REST_MS })

  return {
    takes: asksVerdict,
    async recall(tenant, request, runtimeVersions) {
      const keys = runtimeVersions.flatMap((version) => verdictKey(request, version) ?? [])
      if (keys.length === 0) return null
      return aside.attempt(async () => {
        const texts = await redis.mget(keys.map((key) => verdictKeys(keyPrefix, tenant, key)[0]))
        for (const [index, text] of texts.entries()) {
          const entry = text === null ? null : entrySchema.safeParse(JSON.parse(text))
          // A reply that belongs to another command must never become somebody's verdict.
          if (entry?.success === true && entry.data.key === keys[index]) return entry.data.result
        }
        return null
      })
    },
    async keep(tenant, request, result) {
      const when = reusable(request, result)
      const key = when === 'no' ? null : verdictKey(request, result.runtime.version)
      if (key === null) return
      await aside.attempt(() =>
        runScript(
          redis,
          'remember',
          ...verdictKeys(keyPrefix, tenant, key),
          JSON.stringify({ key, result }),
          ttlSeconds * 1000,
          Math.trunc(clock.wallNow()),
          key,
          maxEntries,
          when === 'repeated' ? '1' : '0',
          verdictPrefix(keyPrefix, tenant),
        ),
      )
    },
  }
}
