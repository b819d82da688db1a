import type { Connection } from '../cache/connection.ts'
import { generationKey } from '../cache/keys.ts'
import { flightKey } from './keys.ts'
import { scripted } from './scripts.ts'

/**
 * `any` takes what is stored, `fresh` only a flight under way, `force` leads whatever there is;
 * `peek` takes either of the first two and never leads; `heir` leads in the place of one whose call
 * has failed, or takes what has become of whoever did so first; `orphan` in that of an heir who is lost.
 */
export type ClaimMode = 'any' | 'fresh' | 'force' | 'peek' | 'heir' | 'orphan'

/** Who gives the answer of a key. */
export type Claim =
  | { readonly kind: 'hit'; readonly value: Buffer }
  | { readonly kind: 'lead'; readonly token: string }
  | { readonly kind: 'follow'; readonly address: string; readonly token: string }
  /** The leader that failed has had its one heir, whose call has failed too. */
  | { readonly kind: 'spent' }

/** A lead that this replica has. */
export type Lead = { readonly key: string; readonly token: string }

export type Claims = {
  /**
   * One round trip; null if Redis is away or slow. `dead` is the token of a leader that is not there, or that failed.
   * A claim that was not waited for may have got the lead: `late` hears of it.
   */
  readonly claim: (
    key: string,
    mode: ClaimMode,
    dead: string | null,
    late: (claim: Promise<Claim | null>) => void,
  ) => Promise<Claim | null>
  /** Prolongs all in one write; says which have passed to another. */
  readonly renew: (leads: readonly Lead[]) => Promise<readonly Lead[]>
  /** Gives up a lead without an answer. */
  readonly release: (lead: Lead) => Promise<void>
}

export type ClaimsOptions = {
  readonly prefix: string
  /** Where other replicas find this one. */
  readonly address: () => string
  readonly leaseMs: number
}

/** A leader without a sign of life for longer than any call may take is forgotten. */
const REMEMBER_MS = 3_600_000
/** Longest delay after which a predecessor's write may still come and must be refused. */
export const FENCE_MS = 60_000

/** Leadership of generations among the replicas, kept in Redis. An optimisation: without it each leads for itself. */
export function createClaims(
  { connection }: { connection: Connection },
  { prefix, address, leaseMs }: ClaimsOptions,
): Claims {
  return {
    async claim(key, mode, dead, late) {
      // Nobody could follow a replica that is nowhere to be found.
      if (address() === '') return mode === 'any' || mode === 'peek' ? await look(key) : null
      const reply = await connection.attempt(
        (redis) =>
          scripted(redis).lgClaimBuffer(
            generationKey(prefix, key),
            flightKey(prefix, key),
            mode,
            address(),
            leaseMs,
            REMEMBER_MS,
            dead ?? '',
          ),
        // A claim given up too early is paid for with an upstream call of its own.
        { late: (reply) => late(reply.then(read)), patient: true },
      )
      return reply === null ? null : read(reply)
    },
    async renew(leads) {
      // Sent in one turn, they leave in one write; keys of a cluster cannot share a script.
      const replies = await Promise.all(
        leads.map(({ key, token }) =>
          connection.attempt((redis) => scripted(redis).lgRenew(flightKey(prefix, key), token, leaseMs, REMEMBER_MS)),
        ),
      )
      return leads.filter((_, index) => replies[index] === 0)
    },
    async release({ key, token }) {
      await connection.attempt((redis) => scripted(redis).lgRelease(flightKey(prefix, key), token, FENCE_MS))
    },
  }

  async function look(key: string): Promise<Claim | null> {
    const value = await connection.attempt((redis) => redis.getBuffer(generationKey(prefix, key)))
    return value === null ? null : { kind: 'hit', value }
  }
}

/** Null for what no script of ours answers: a reply that belongs to another command is no claim. */
function read([kind, first, second]: readonly Buffer[]): Claim | null {
  if (first === undefined) return null
  if (String(kind) === 'hit') return { kind: 'hit', value: first }
  if (String(kind) === 'spent') return { kind: 'spent' }
  if (String(kind) === 'lead') return { kind: 'lead', token: first.toString() }
  if (String(kind) === 'follow' && second !== undefined) {
    return { kind: 'follow', address: first.toString(), token: second.toString() }
  }
  return null
}
