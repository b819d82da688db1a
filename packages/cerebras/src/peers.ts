import type { Clock } from '@loopgate/service-kit'
import type { Pool } from 'undici'
import { Call, type CallHandle, type Receiver } from './call/call.ts'
import { createPool, type LinkedHandler } from './call/pool.ts'
import { createWatch } from './call/watch.ts'

export type PeerRequest = {
  /** Origin of the other replica; a path in it is a prefix. */
  readonly address: string
  readonly path: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly receiver: Receiver
}

/** Reads from other replicas of the gateway. */
export type Peers = {
  /** The receiver may hear of a fault before this returns. */
  readonly open: (request: PeerRequest) => CallHandle
  /** Lets the idle connections to all others go. */
  readonly keepOnly: (addresses: Iterable<string>) => void
  readonly close: () => Promise<void>
}

export type PeersOptions = {
  readonly connectMs?: number
  /** From the request to the headers. */
  readonly firstByteMs?: number
  /** Between two pieces; a replica that lives says so twice a second. */
  readonly idleMs?: number
}

/**
 * A crowd of callers fills a replica's queue of new connections; the kernel then tries again after a
 * second and after three. A replica that is gone refuses at once. One that is frozen is told from one
 * that is overwhelmed by nothing but time, and giving up the latter costs its followers an error:
 * measured on two cores at a load of 15, with 5,000 new callers, replicas were silent for over 3 s.
 */
const DEFAULTS = { connectMs: 4000, firstByteMs: 6000, idleMs: 6000 }
/** One for each generation that is followed at the same time; opened as needed. */
const CONNECTIONS = 4096
/** Above any upstream call: how long a generation takes is its leader's affair. */
const TOTAL_MS = 24 * 3_600_000

export function createPeers({ clock }: { clock: Clock }, options: PeersOptions = {}): Peers {
  const { connectMs, firstByteMs, idleMs } = { ...DEFAULTS, ...options }
  const limits = { firstByteMs, idleMs, totalMs: TOTAL_MS }
  const watch = createWatch(clock, Math.min(firstByteMs, idleMs))
  const pools = new Map<string, Pool>()

  return {
    open({ address, path, headers, receiver }) {
      const { origin, pathname } = new URL(address)
      const pool = pools.get(origin) ?? createPool(origin, CONNECTIONS, connectMs)
      pools.set(origin, pool)
      const request = {
        origin,
        method: 'GET' as const,
        path: pathname.replace(/\/$/, '') + path,
        headers: headers as string[],
      }
      const dispatch = (handler: LinkedHandler) => pool.dispatch(request, handler)
      const call = new Call({ clock, limits, watch, receiver, resend: dispatch, settled() {} })
      dispatch(call)
      return call
    },
    keepOnly(addresses) {
      const kept = new Set([...addresses].map((address) => new URL(address).origin))
      for (const [origin, pool] of pools) {
        if (kept.has(origin)) continue
        pools.delete(origin)
        // Waits for what is under way.
        pool.close().catch(() => {})
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}
