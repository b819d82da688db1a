import type { Principal } from '@loopgate/contracts'
import type { Amount, Ask, Limiter, Ring } from '@loopgate/limits'
import type { Executions } from './dispatcher.ts'

/** An execution takes room and counts as a request; it takes no tokens. */
const EXECUTION: Ask = Object.freeze({ kind: 'execution', tokens: 0, microUsd: 0 })
const NOTHING: Amount = Object.freeze({ tokens: 0, microUsd: 0 })

/**
 * The same executions within the limits of their key and tenant: each is held from before it waits until
 * it has ended, however it ends. `run` rejects with LG_LIMIT_REACHED or LG_BUDGET_SPENT beside the rest.
 */
export function limitExecutions(
  executions: Executions,
  { limiter, ring }: { limiter: Limiter; ring: Pick<Ring, 'payer'> },
): Executions {
  return {
    ...executions,
    async run(order) {
      const asked = limiter.reserve(ring.payer(order.tenant, order.keyId ?? ''), EXECUTION)
      const room = asked instanceof Promise ? await asked : asked
      try {
        return await executions.run(order)
      } finally {
        room.settle(NOTHING)
      }
    },
  }
}

/** How many of `most` executions a caller may have under way at once: more would only be refused. */
export function atOnce({ limits: { key, tenant } }: Principal, most: number): number {
  return Math.max(1, Math.min(most, key.concurrentExecutions ?? most, tenant.concurrentExecutions ?? most))
}
