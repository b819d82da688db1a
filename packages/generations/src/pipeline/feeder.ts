import type { Facts, Receiver, ReplyHead } from '@loopgate/cerebras'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import { record } from '../flight/record.ts'
import { factsOfDocument, type Kind } from '../shape/recording.ts'
import { StreamReader } from './stream-reader.ts'

/** A document above this is refused; a completion of 131,072 tokens takes about 1 MB. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

/** Who has made the call, and decides what becomes of its reply. */
export type FeederOwner = {
  /** The reply begins; opens the flight unless the answer may turn out to be none. */
  readonly began: (head: ReplyHead) => void
  /** The reply is whole. False if it is not the answer: another call is made for the flight. */
  readonly ended: (facts: Facts) => boolean
  /** The call failed. True if it is made again, as if nothing had come. */
  readonly failed: (error: LoopgateError) => boolean
}

/** Takes the upstream's reply for a flight. */
export class Feeder implements Receiver {
  readonly #flight: Flight
  readonly #owner: FeederOwner
  #reader: StreamReader | null = null
  #pieces: Buffer[] = []
  #pieceBytes = 0
  #over = false

  constructor(flight: Flight, owner: FeederOwner) {
    this.#flight = flight
    this.#owner = owner
  }

  onHead(head: ReplyHead): void {
    if (head.kind === 'stream') this.#reader = new StreamReader(this.#flight)
    this.#owner.began(head)
  }

  onBytes(bytes: Buffer): void {
    if (this.#over) return
    if (this.#reader !== null) {
      const error = this.#reader.push(bytes)
      if (error !== null) this.#fail(error)
      return
    }
    this.#pieceBytes += bytes.length
    if (this.#pieceBytes <= MAX_DOCUMENT_BYTES) this.#pieces.push(bytes)
    else this.#fail(fault('LG_UPSTREAM_ERROR', { cause: new Error('the reply is too large') }))
  }

  onEnd(): void {
    if (this.#over) return
    if (this.#reader === null) return this.#endDocument()
    const error = this.#reader.end()
    if (error !== null) this.#fail(error)
    else this.#complete('stream', this.#reader.facts)
  }

  onFault(error: LoopgateError): void {
    if (this.#over) return
    const facts = this.#reader?.facts
    // After `[DONE]` everything has been said, and a connection that breaks has broken nothing.
    if (facts?.done === true) this.#complete('stream', facts)
    else this.#fail(error)
  }

  #endDocument(): void {
    const [only] = this.#pieces
    const bytes = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces)
    const facts = factsOfDocument(bytes)
    if (facts === null) return this.#fail(notACompletion(bytes))
    this.#complete('document', facts, bytes)
  }

  #complete(kind: Kind, facts: Facts, document?: Buffer): void {
    this.#over = true
    if (!this.#owner.ended(facts)) return
    if (document !== undefined) this.#flight.append(document, false)
    this.#flight.complete(facts, this.#flight.whole ? record(kind, this.#flight.log, facts) : null)
  }

  #fail(error: LoopgateError): void {
    this.#over = true
    if (!this.#owner.failed(error)) this.#flight.fail(error)
  }
}

/** A document that breaks off is a cut reply; anything else that is no completion is an error. */
function notACompletion(bytes: Buffer): LoopgateError {
  const text = bytes.toString('utf8').trim()
  const cut = text === '' || (text.startsWith('{') && !text.endsWith('}'))
  return fault(cut ? 'LG_UPSTREAM_TRUNCATED' : 'LG_UPSTREAM_ERROR', { cause: new Error('the reply is no completion') })
}
