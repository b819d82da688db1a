import type { CallHandle, Facts, Receiver, ReplyHead, Upstream } from '@loopgate/cerebras'
import { type Clock, fault, type LoopgateError } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import { record } from '../flight/record.ts'
import { factsOfDocument, type Kind } from '../shape/recording.ts'
import type { Caller } from './caller.ts'
import { requestBytes } from './request-bytes.ts'
import { StreamReader } from './stream-reader.ts'

/** A document above this is refused; a completion of 131,072 tokens takes about 1 MB. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

export type LeadDeps = { readonly upstream: Upstream; readonly clock: Clock }

/** Stage 5: calls the upstream and feeds its reply into the flight. */
export function callUpstream(
  { upstream, clock }: LeadDeps,
  { call, place }: Pick<Caller, 'call' | 'place'>,
  flight: Flight,
): void {
  const feeder = new Feeder(flight, clock)
  feeder.call = upstream.call({
    path: call.surface === 'chat' ? '/v1/chat/completions' : '/v1/completions',
    model: String(call.body['model']),
    body: requestBytes(call, place),
    headers: call.headers,
    receiver: feeder,
  })
  flight.attach(feeder.call)
}

/** Takes the upstream's reply for a flight. */
class Feeder implements Receiver {
  call: CallHandle | null = null
  readonly #flight: Flight
  readonly #clock: Clock
  #reader: StreamReader | null = null
  #pieces: Buffer[] = []
  #pieceBytes = 0

  constructor(flight: Flight, clock: Clock) {
    this.#flight = flight
    this.#clock = clock
  }

  onHead({ kind, headers }: ReplyHead): void {
    if (kind === 'stream') this.#reader = new StreamReader(this.#flight)
    this.#flight.open({
      source: 'upstream',
      kind,
      headers,
      at: this.#clock.now(),
      ageSeconds: null,
      attempts: this.call?.attempts ?? 1,
      queueMs: this.call?.waitedMs ?? 0,
    })
  }

  onBytes(bytes: Buffer): void {
    if (this.#reader !== null) {
      const error = this.#reader.push(bytes)
      if (error !== null) this.#flight.fail(error)
      return
    }
    this.#pieceBytes += bytes.length
    if (this.#pieceBytes <= MAX_DOCUMENT_BYTES) this.#pieces.push(bytes)
    else this.#flight.fail(fault('LG_UPSTREAM_ERROR', { cause: new Error('the reply is too large') }))
  }

  onEnd(): void {
    if (this.#reader === null) return this.#endDocument()
    const error = this.#reader.end()
    if (error !== null) this.#flight.fail(error)
    else this.#complete('stream', this.#reader.facts)
  }

  onFault(error: LoopgateError): void {
    const facts = this.#reader?.facts
    // After `[DONE]` everything has been said, and a connection that breaks has broken nothing.
    if (facts?.done === true) this.#complete('stream', facts)
    else this.#flight.fail(error)
  }

  #endDocument(): void {
    const [only] = this.#pieces
    const bytes = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces)
    const facts = factsOfDocument(bytes)
    if (facts === null) return this.#flight.fail(notACompletion(bytes))
    this.#flight.append(bytes, false)
    this.#complete('document', facts)
  }

  #complete(kind: Kind, facts: Facts): void {
    this.#flight.complete(facts, this.#flight.whole ? record(kind, this.#flight.log, facts) : null)
  }
}

/** A document that breaks off is a cut reply; anything else that is no completion is an error. */
function notACompletion(bytes: Buffer): LoopgateError {
  const text = bytes.toString('utf8').trim()
  const cut = text === '' || (text.startsWith('{') && !text.endsWith('}'))
  return fault(cut ? 'LG_UPSTREAM_TRUNCATED' : 'LG_UPSTREAM_ERROR', { cause: new Error('the reply is no completion') })
}
