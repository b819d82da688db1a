import { type Clock, PassingMap } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import type { Claims, Lead } from './claims.ts'
import type { PeerSeat } from './peer-seat.ts'

/** The flights that this replica leads, as other replicas find them. */
export type Led = {
  readonly add: (flight: Flight, lead: Lead) => void
  /** The token of a flight that is led here; null for any other. */
  readonly tokenOf: (flight: Flight) => string | null
  /**
   * A flight is over. `stored` settles once its answer is in Redis or given up; null if there is
   * none to store, and then the lead is given up.
   */
  readonly end: (flight: Flight, stored: Promise<unknown> | null) => void
  /** Resolves once nothing of this flight is on its way into Redis. */
  readonly settled: (key: string, token: string) => Promise<void>
  readonly find: (key: string, token: string) => Flight | undefined
  /** Says regularly to this seat that the replica lives, until `unseat`. */
  readonly seat: (seat: PeerSeat) => void
  readonly unseat: (seat: PeerSeat) => void
  readonly size: () => number
}

export type LedOptions = {
  readonly renewMs: number
  /** Whether other replicas may ask for a flight that has just ended. */
  readonly watched: () => boolean
}

/** Between a claim that said "follow" and the follower's arrival a flight may end; it is still told about for so long. */
const LINGER_MS = 2000
/** Bytes of ended flights that are held for that. */
const LINGER_BYTES = 32 * 1024 * 1024

type Entry = {
  readonly name: string
  readonly lead: Lead
  readonly flight: Flight
  since: number
  stored: Promise<unknown> | null
}

const nameOf = ({ key, token }: Lead): string => `${key} ${token}`

/** One timer gives the signs of life and renews all leases in one batch; it runs only while something is led. */
export function createLed({ clock, claims }: { clock: Clock; claims: Claims }, options: LedOptions): Led {
  const { renewMs, watched } = options
  const entries = new PassingMap<string, Entry>()
  const leading = new PassingMap<string, Entry>()
  const ofFlight = new WeakMap<Flight, Entry>()
  const seats = new Set<PeerSeat>()
  const lingering: Entry[] = []
  let lingeringBytes = 0
  let ticking = false

  return {
    add(flight, lead) {
      const name = nameOf(lead)
      const entry = { name, lead, flight, since: clock.now(), stored: null }
      entries.set(name, entry)
      leading.set(name, entry)
      ofFlight.set(flight, entry)
      tickSoon()
    },
    tokenOf: (flight) => ofFlight.get(flight)?.lead.token ?? null,
    end(flight, stored) {
      const entry = ofFlight.get(flight)
      if (entry === undefined) return
      ofFlight.delete(flight)
      leading.delete(entry.name)
      entry.stored = stored
      if (stored === null) void claims.release(entry.lead)
      const forget = () => entries.delete(entry.name)
      // Failed or given up: never joined. What has outgrown its bound cannot be told from the beginning.
      if (flight.end === null || flight.log.start > 0) forget()
      else void Promise.resolve(stored).finally(() => (watched() ? linger(entry) : forget()))
    },
    async settled(key, token) {
      await entries.get(nameOf({ key, token }))?.stored
    },
    find: (key, token) => entries.get(nameOf({ key, token }))?.flight,
    seat(seat) {
      seats.add(seat)
      tickSoon()
    },
    unseat(seat) {
      seats.delete(seat)
    },
    size: () => leading.size,
  }

  function linger(entry: Entry): void {
    entry.since = clock.now()
    lingering.push(entry)
    lingeringBytes += entry.flight.log.bytes
    dropOld()
    tickSoon()
  }

  function dropOld(): void {
    for (let [first] = lingering; first !== undefined; [first] = lingering) {
      if (lingeringBytes <= LINGER_BYTES && clock.now() - first.since < LINGER_MS) return
      lingering.shift()
      lingeringBytes -= first.flight.log.bytes
      entries.delete(first.name)
    }
  }

  function tickSoon(): void {
    if (ticking) return
    ticking = true
    clock.after(renewMs / 2, tick)
  }

  function tick(): void {
    ticking = false
    dropOld()
    for (const seat of seats) seat.alive()
    // Most flights are over before their lease needs renewing.
    const now = clock.now()
    const due: Lead[] = []
    for (const entry of leading.values()) {
      if (now - entry.since < renewMs * 0.9) continue
      entry.since = now
      due.push(entry.lead)
    }
    if (due.length > 0) void claims.renew(due)
    if (leading.size > 0 || seats.size > 0 || lingering.length > 0) tickSoon()
  }
}
