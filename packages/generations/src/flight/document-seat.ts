import { fault } from '@loopgate/service-kit'
import type { Flight } from './flight.ts'
import type { OwnedSeat, Owner } from './owner.ts'
import { documentOf } from './shapes.ts'

/** The seat of a caller that wants one document: it gathers, and gives everything at the end. */
export class DocumentSeat implements OwnedSeat {
  position = 0
  readBytes = 0
  readonly #flight: Flight
  readonly #owner: Owner
  readonly #pieces: Buffer[] = []
  #over = false

  constructor(flight: Flight, owner: Owner) {
    this.#flight = flight
    this.#owner = owner
  }

  wake(): void {
    if (this.#over) return
    const flight = this.#flight
    // What a flight keeps need not be gathered here.
    if (!flight.shared || !flight.whole) this.#gather()
    if (flight.fault !== null) this.#end(flight.fault)
    else if (flight.end !== null) {
      const bytes = documentOf(this.#owner.surface, flight, flight.end, this.#pieces)
      this.#end(null)
      this.#owner.give({ kind: 'document', bytes })
    }
  }

  drop(): void {
    this.leave()
  }

  rewind(): boolean {
    this.position = 0
    this.readBytes = 0
    this.#pieces.length = 0
    return true
  }

  leave(): void {
    this.#end(fault('LG_CLIENT_CLOSED'))
    this.#flight.leave(this)
  }

  #gather(): void {
    for (let block = this.#flight.log.at(this.position); block; block = this.#flight.log.at(this.position)) {
      this.position++
      this.readBytes += block.bytes.length
      this.#pieces.push(block.bytes)
    }
  }

  #end(error: Parameters<Owner['over']>[0]): void {
    if (this.#over) return
    this.#over = true
    this.#owner.over(error)
  }
}
