import type { Clock } from '@loopgate/service-kit'
import type { Flight, Seat } from './flight.ts'

/** A seat of nobody: it keeps a flight going for a caller that has left and will come again. */
class Holder implements Seat {
  position = 0
  readBytes = 0
  cancel: (() => void) | null = null
  readonly #flight: Flight

  constructor(flight: Flight) {
    this.#flight = flight
  }

  /** Has always read everything, so that it never holds the upstream back. */
  wake(): void {
    const { log, end, fault } = this.#flight
    this.position = log.end
    this.readBytes = log.bytes
    if (end !== null || fault !== null) this.cancel?.()
  }

  rewind(): boolean {
    this.position = 0
    this.readBytes = 0
    return true
  }

  drop(): void {
    this.cancel?.()
    this.#flight.leave(this)
  }
}

/** Keeps a flight going for `holdMs` at most, whoever leaves; one that nobody could join is let go. */
export function hold(flight: Flight, clock: Clock, holdMs: number): void {
  const holder = new Holder(flight)
  if (!flight.join(holder)) return
  holder.cancel = clock.after(holdMs, () => holder.drop())
  holder.wake()
}
