import type { LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Flight } from '../flight/flight.ts'
import type { Metrics } from '../metrics.ts'
import type { Claim, ClaimMode } from '../replicas/claims.ts'
import type { Replicas } from '../replicas/replicas.ts'
import type { Recall } from './recall.ts'

export type SeekDeps = {
  readonly replicas: Replicas
  readonly recall: Recall
  readonly metrics: Metrics
  readonly serve: (flight: Flight, entry: Entry) => void
}

/**
 * Claims that may follow on each other for one flight: the first, one for a leader that was lost, and
 * one for its successor. After that the callers are told, instead of calling the upstream again.
 */
const MAX_CLAIMS = 3

/**
 * Stage 5 among several replicas: one claim says whether the answer is stored, led elsewhere, or to
 * be led here, on behalf of everybody who has joined the flight meanwhile. Whoever is left without a
 * leader, and has given nothing to its caller yet, claims anew; so exactly one succeeds.
 */
export function createSeek({ replicas, recall, metrics, serve }: SeekDeps) {
  return seek

  /** Finds the source of a flight; `lead` calls the upstream for it. */
  async function seek(
    flight: Flight,
    key: string,
    mode: ClaimMode,
    lead: () => void,
    dead: string | null = null,
    claims = 1,
  ): Promise<void> {
    const claim = await replicas.claim(flight, key, mode, dead)
    metrics.claimed(claim?.kind ?? 'none')
    const looks = mode === 'any' || mode === 'peek'
    const entry = looks ? await recall.brought(key, claim?.kind === 'hit' ? claim.value : null) : null
    if (flight.abandoned) return
    if (entry !== null) serve(flight, entry)
    // Whoever only peeks is told that there is nothing; `lead` says so.
    else if (claim === null || claim.kind === 'lead' || (claim.kind === 'hit' && mode === 'peek')) lead()
    else if (claim.kind === 'follow') {
      replicas.follow(flight, key, claim, (error) => again(flight, key, mode, lead, claim, claims, error))
    } else await seek(flight, key, 'fresh', lead, dead, claims)
  }

  function again(
    flight: Flight,
    key: string,
    mode: ClaimMode,
    lead: () => void,
    { token }: Extract<Claim, { kind: 'follow' }>,
    claims: number,
    error: LoopgateError,
  ): void {
    if (claims >= MAX_CLAIMS) return flight.fail(error)
    if (!flight.rewind(error)) return
    metrics.leaderLost()
    void seek(flight, key, mode, lead, token, claims + 1)
  }
}
