import type { LoopgateError } from '@loopgate/service-kit'
import type { Entry } from '../cache/entry.ts'
import type { Flight } from '../flight/flight.ts'
import type { Metrics } from '../metrics.ts'
import type { ClaimMode } from '../replicas/claims.ts'
import type { Replicas } from '../replicas/replicas.ts'
import type { Recall } from './recall.ts'

export type SeekDeps = {
  readonly replicas: Replicas
  readonly recall: Recall
  readonly metrics: Metrics
  readonly serve: (flight: Flight, entry: Entry) => void
}

/** What is wanted of the other replicas, and what to do when they have nothing. */
export type Sought = {
  readonly mode: ClaimMode
  /** Calls the upstream for the flight. */
  readonly lead: () => void
  /** The one further call that there may be has been made, and has failed. */
  readonly spent: () => void
  /** The token of a leader that is lost, or whose call has failed. */
  readonly dead: string | null
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

  /** Finds the source of a flight. */
  async function seek(flight: Flight, key: string, sought: Sought, claims = 1): Promise<void> {
    const { mode, lead } = sought
    const claim = await replicas.claim(flight, key, mode, sought.dead)
    metrics.claimed(claim?.kind ?? 'none')
    const looks = mode === 'any' || mode === 'peek' || claim?.kind === 'hit'
    const entry = looks ? await recall.brought(key, claim?.kind === 'hit' ? claim.value : null) : null
    if (flight.abandoned) return
    if (claim?.kind === 'lead' || claim?.kind === 'follow') flight.token = claim.token
    if (entry !== null) serve(flight, entry)
    else if (claim?.kind === 'spent') sought.spent()
    // Whoever only peeks is told that there is nothing; `lead` says so.
    else if (claim === null || claim.kind === 'lead' || (claim.kind === 'hit' && mode === 'peek')) lead()
    else if (claim.kind === 'follow') {
      const again = { ...sought, mode: mode === 'heir' ? 'orphan' : mode, dead: claim.token } as const
      replicas.follow(flight, key, claim, (error) => seekAgain(flight, key, again, claims, error))
    } else await seek(flight, key, { ...sought, mode: 'fresh' }, claims)
  }

  function seekAgain(flight: Flight, key: string, sought: Sought, claims: number, error: LoopgateError): void {
    if (claims >= MAX_CLAIMS) return flight.fail(error)
    if (!flight.rewind(error)) return
    metrics.leaderLost()
    void seek(flight, key, sought, claims + 1)
  }
}
