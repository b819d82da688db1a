import { PassingMap } from '@loopgate/service-kit'
import type { Flight } from './flight.ts'

/**
 * The flights of this process that may be joined, by key. Everything here happens within one turn of
 * the event loop, so of any number of equal requests exactly one leads. Other replicas are not seen.
 */
export type Coalescer = {
  readonly find: (key: string) => Flight | undefined
  /** Makes a flight the one to join; it replaces one that is there. */
  readonly lead: (key: string, flight: Flight) => void
  /** Takes a flight out, unless another has replaced it. */
  readonly release: (key: string, flight: Flight) => void
}

export function createCoalescer(): Coalescer {
  const flights = new PassingMap<string, Flight>()
  return {
    find: (key) => flights.get(key),
    lead: (key, flight) => {
      flights.set(key, flight)
    },
    release(key, flight) {
      if (flights.get(key) === flight) flights.delete(key)
    },
  }
}
