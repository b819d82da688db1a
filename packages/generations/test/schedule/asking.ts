import { createRegistry, type LoopgateError } from '@loopgate/service-kit'
import type { ManualClock } from '@loopgate/testkit/clock'
import type { Limits } from '../../src/schedule/buckets/windows.ts'
import { createScheduler, type Scheduler } from '../../src/schedule/scheduler.ts'
import type { Asking, Grant } from '../../src/schedule/types.ts'

export const MODEL = 'm'

/** A scheduler without Redis. */
export function scheduler(clock: ManualClock, limits: Limits, organisations = ['one']): Scheduler {
  return createScheduler(
    {
      clock,
      registry: createRegistry({ processMetrics: false }),
      connection: null,
      organisations: organisations.map((name) => ({ name, serves: () => true, limits: () => limits })),
      usable: () => true,
      replicas: () => 1,
    },
    { prefix: 'none', replica: 'r', maxRequests: 100_000, maxBytes: 1e12 },
  )
}

/** What one that asked has heard. */
export type Told = { grants: Grant[]; refused: LoopgateError | null }

/** One that asks for so many tokens. */
export function asking(
  clock: ManualClock,
  tokens: number,
  more: Partial<Asking> = {},
): Asking & { readonly told: Told } {
  const told: Told = { grants: [], refused: null }
  return {
    priority: 'loop',
    tenant: 'acme',
    flow: 'f',
    bytes: 1,
    sinceMs: clock.now(),
    model: MODEL,
    amounts: { requests: 1, tokens, totalTokens: tokens },
    deadlineMs: clock.now() + 120_000,
    avoid: null,
    granted: (grant) => void told.grants.push(grant),
    refused: (error) => void (told.refused = error),
    told,
    ...more,
  }
}

export const used = (tokens: number) => ({ requests: 1, tokens, totalTokens: tokens })
