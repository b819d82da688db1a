import type { Peers } from '@loopgate/cerebras'
import { PEER_PROOF_HEADER } from '@loopgate/contracts'
import type { Clock, Logger, LoopgateError } from '@loopgate/service-kit'
import type { Connection } from '../cache/connection.ts'
import type { InstallationSecret } from '../cache/secret.ts'
import type { Flight } from '../flight/flight.ts'
import { createFlusher } from '../flight/flusher.ts'
import type { Sink } from '../types.ts'
import { type Claim, type ClaimMode, createClaims } from './claims.ts'
import { follow } from './follow.ts'
import { createLed, type Led } from './led.ts'
import { PeerSeat } from './peer-seat.ts'
import { createPending } from './pending.ts'
import { createReplicaRegistry, type Replica } from './registry.ts'
import { createPeerSecret, type PeerSecret } from './secret.ts'

/**
 * Leases of leaders. A leader that is gone is noticed by whoever tries to follow it: its process refuses
 * the connection, and a frozen one does not answer. The lease is for what nobody tries, and must
 * outlast a stalled event loop: at a load of 20 on two cores, with 5,000 new callers, leaders renewed
 * theirs more than 3 s late, and others then paid for a second call.
 */
const LEASE_MS = 15_000
const RENEW_MS = 1000

/** Where replicas read each other's flights, followed by the key. */
export const FLIGHTS_PATH = '/internal/flights'

/** This replica among the others. */
export type Replicas = {
  /**
   * Who gives the answer of a key; null while Redis is away: each leads for itself then. A flight
   * that is given the lead can be followed from that moment on, unless everybody has left it.
   */
  readonly claim: (flight: Flight, key: string, mode: ClaimMode, dead: string | null) => Promise<Claim | null>
  /** Feeds a flight from its leader; `lost` is told if that is gone. */
  readonly follow: (flight: Flight, key: string, claim: Followable, lost: (error: LoopgateError) => void) => void
  /** The token of a flight that is led here, a promise of it while Redis owes the reply, or null if it leads for itself. */
  readonly tokenOf: (flight: Flight) => string | null | Promise<string | null>
  readonly led: Pick<Led, 'end'>
  /**
   * Gives a flight that is led here to another replica, from its first byte. Null if the proof is
   * wrong or there is no such flight; else the way to say that the other has gone.
   */
  readonly serve: (request: PeerRequest, sink: Sink) => Promise<(() => void) | null>
  readonly announce: (address: string) => Promise<void>
  readonly peers: () => readonly Replica[]
  readonly close: () => Promise<void>
}

type Followable = Extract<Claim, { kind: 'follow' }>

export type PeerRequest = { readonly key: string; readonly token: string; readonly proof: string }

export type ReplicasDeps = {
  readonly connection: Connection
  readonly peers: Peers
  readonly clock: Clock
  readonly logger: Logger
  readonly secret: Pick<InstallationSecret, 'first' | 'changed'>
}

export type ReplicasOptions = {
  readonly id: string
  readonly prefix: string
  /** After this long without a heartbeat a replica counts as gone. */
  readonly ttlMs: number
  readonly onPeers: (peers: readonly Replica[]) => void
  readonly leaseMs?: number
}

export function createReplicas(deps: ReplicasDeps, options: ReplicasOptions): Replicas {
  const { clock, peers } = deps
  const { id, prefix, ttlMs, leaseMs = LEASE_MS } = options
  let address = ''
  let secret: PeerSecret | null = null
  const use = (installation: string): void => void (secret = createPeerSecret(installation))
  void deps.secret.first.then(use)
  deps.secret.changed(use)
  const flusher = createFlusher(clock)
  const claiming = createPending()
  const lateTokens = new WeakMap<Flight, Promise<string | null>>()
  const claims = createClaims(deps, { prefix, leaseMs, address: () => address })
  const registry = createReplicaRegistry(deps, {
    prefix,
    id,
    ttlMs,
    changed(others) {
      peers.keepOnly(others.map((other) => other.address))
      options.onPeers(others)
    },
  })
  const led = createLed(
    { clock, claims },
    { renewMs: Math.min(RENEW_MS, leaseMs / 3), watched: () => registry.peers().length > 0 },
  )

  return {
    claim: (flight, key, mode, dead) =>
      claiming.during(key, async () => {
        const claim = await claimElsewhere(key, mode, dead, (late) => {
          // The flight leads for itself by now. If it has the lead after all, the others may follow it.
          const token = claiming.during(key, async () => take(flight, key, await late.catch(() => null)))
          lateTokens.set(flight, token)
        })
        take(flight, key, claim)
        return claim
      }),
    follow(flight, key, claim, lost) {
      const path = `${FLIGHTS_PATH}/${encodeURIComponent(key)}?token=${encodeURIComponent(claim.token)}`
      const proof = secret?.sign(key, claim.token) ?? ''
      follow(deps, flight, { address: claim.address, path, headers: [PEER_PROOF_HEADER, proof] }, lost)
    },
    led,
    tokenOf: (flight) => led.tokenOf(flight) ?? lateTokens.get(flight) ?? null,
    async serve({ key, token, proof }, sink) {
      if (secret === null || !secret.verify(key, token, proof)) return null
      // Others may hear from Redis that this replica leads before it has heard so itself.
      if (led.find(key, token) === undefined) await claiming.over(key)
      const flight = led.find(key, token)
      if (flight === undefined) return null
      const seat = new PeerSeat(flight, sink, flusher, led.unseat)
      // One that has ended is still told from the beginning; one that has outgrown its bound is not.
      if (flight.end === null && !flight.join(seat)) return null
      led.seat(seat)
      seat.wake()
      return () => seat.leave()
    },
    async announce(where) {
      address = where
      await registry.announce(where)
    },
    peers: registry.peers,
    async close() {
      await registry.leave()
      await peers.close()
    },
  }

  function take(flight: Flight, key: string, claim: Claim | null): string | null {
    if (claim?.kind !== 'lead') return null
    const lead = { key, token: claim.token }
    if (flight.abandoned || flight.fault !== null) void claims.release(lead)
    // One that is over has only its answer left to store.
    else if (flight.end === null) led.add(flight, lead)
    return claim.token
  }

  async function claimElsewhere(
    key: string,
    mode: ClaimMode,
    dead: string | null,
    late: (claim: Promise<Claim | null>) => void,
  ): Promise<Claim | null> {
    const claim = await claims.claim(key, mode, dead, late)
    if (claim?.kind !== 'follow' || claim.address !== address) return claim
    // Led here, and yet nothing to join: it has just ended and is on its way into Redis, has
    // outgrown its bound, or this address had another process before.
    await led.settled(key, claim.token)
    return await claims.claim(key, mode, claim.token, late)
  }
}
