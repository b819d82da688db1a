import type { Clock } from '@loopgate/service-kit'
import { type Flight, KEEP_ALIVE_MS } from './flight.ts'

/** Tells those who stream a flight now and then that it still waits to begin. */
export class KeepAlive {
  readonly #clock: Clock
  readonly #flight: Flight
  #cancel: (() => void) | null = null

  constructor(clock: Clock, flight: Flight) {
    this.#clock = clock
    this.#flight = flight
  }

  /** From now on, until it is stopped or something has come. */
  start(): void {
    this.stop()
    this.#cancel = this.#clock.after(KEEP_ALIVE_MS, () => {
      if (this.#flight.log.end > 0) return
      this.#flight.keepAlive()
      this.start()
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
