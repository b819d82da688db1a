import type { LoopgateError } from '@loopgate/service-kit'
import type { Flight, Seat } from '../flight/flight.ts'
import type { Flushable, Flusher } from '../flight/flusher.ts'
import type { Sink } from '../types.ts'
import { ALIVE, blockPreamble, encodeEnd, encodeFault, encodeHead, encodeWait } from './frames.ts'

/**
 * The seat of another replica in a flight that this one leads: one, however many callers it has.
 * What it gets are the very blocks of the log, from the first on, and then the facts.
 */
export class PeerSeat implements Seat, Flushable {
  position = 0
  readBytes = 0
  readonly #flight: Flight
  readonly #sink: Sink
  readonly #flusher: Flusher
  readonly #over: (seat: PeerSeat) => void
  #headSent = false
  #toldMs: number | null = null
  #ended = false
  #blocked = false
  #waiting = false

  constructor(flight: Flight, sink: Sink, flusher: Flusher, over: (seat: PeerSeat) => void) {
    this.#flight = flight
    this.#sink = sink
    this.#flusher = flusher
    this.#over = over
    sink.on('drain', () => {
      this.#blocked = false
      this.#pump()
    })
  }

  wake(): void {
    const { end, fault } = this.#flight
    if (!this.#headSent || this.position === 0 || end !== null || fault !== null) return this.#pump()
    if (this.#waiting || this.#blocked) return
    this.#waiting = true
    this.#flusher.soon(this)
  }

  flush(): void {
    this.#waiting = false
    this.#pump()
  }

  /** Says that this replica lives, though nothing comes from the upstream. */
  alive(): void {
    if (this.#ended || this.#blocked || this.#tellWait()) return
    this.#write(ALIVE)
  }

  drop(): void {
    // A connection that ends without its last frame is a leader lost: no truncated success.
    this.#sink.destroy()
    this.leave()
  }

  rewind(error: LoopgateError): boolean {
    if (!this.#headSent) return true
    this.#conclude(encodeFault(error, false))
    return false
  }

  /** The other replica has gone, or has no caller left. */
  leave(): void {
    if (this.#ended) return
    this.#ended = true
    this.#over(this)
    this.#flight.leave(this)
  }

  #pump(): void {
    if (this.#ended) return
    const { head, log } = this.#flight
    if (head !== null && !this.#headSent) {
      this.#tellWait()
      this.#headSent = true
      this.#write(encodeHead({ kind: head.kind, fallback: head.fallback }))
    }
    const before = this.position
    for (let block = log.at(this.position); block && !this.#blocked; block = log.at(this.position)) {
      this.position++
      this.readBytes += block.bytes.length
      this.#write(blockPreamble(block.bytes.length, block.usageOnly))
      this.#write(block.bytes)
    }
    if (this.position > before) this.#flight.progressed()
    if (this.#blocked || this.position < log.end) return
    const { end, fault, inheritable } = this.#flight
    if (fault !== null) this.#conclude(encodeFault(fault, inheritable))
    else if (end !== null) this.#conclude(encodeEnd(end.facts))
  }

  /** How long the flight was expected to wait, once that is known; false if there is nothing new to tell. */
  #tellWait(): boolean {
    const { expectedMs } = this.#flight
    if (expectedMs === null || expectedMs === this.#toldMs) return false
    this.#toldMs = expectedMs
    this.#write(encodeWait(expectedMs))
    return true
  }

  #write(bytes: Buffer): void {
    if (!this.#sink.write(bytes)) this.#blocked = true
  }

  #conclude(last: Buffer): void {
    this.#ended = true
    this.#sink.write(last)
    this.#sink.end()
    this.#over(this)
  }
}
