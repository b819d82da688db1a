import type { CallHandle, Facts, ReplyHead, Upstream } from '@loopgate/cerebras'
import { type Clock, fault } from '@loopgate/service-kit'
import type { Flight } from '../flight/flight.ts'
import { factsOfDocument, type Kind, type Recording } from '../shape/recording.ts'
import type { GenerationCall } from '../types.ts'
import { requestBytes } from './request-bytes.ts'
import { createStreamReader, type StreamReader } from './stream-reader.ts'

/** A document above this is refused; a completion of 131,072 tokens takes about 1 MB. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

export type LeadDeps = {
  readonly upstream: Upstream
  readonly clock: Clock
  /** Bytes up to which an answer is kept. */
  readonly capBytes: number
}

/** Stage 5: calls the upstream and feeds its reply into the flight. */
export function callUpstream(
  { upstream, clock, capBytes }: LeadDeps,
  call: GenerationCall,
  flight: Flight,
  shared: boolean,
): void {
  const pieces: Buffer[] = []
  let pieceBytes = 0
  let reader: StreamReader | null = null
  let handle: CallHandle | null = null

  handle = upstream.call({
    path: call.surface === 'chat' ? '/v1/chat/completions' : '/v1/completions',
    model: String(call.body['model']),
    body: requestBytes(call, shared),
    headers: call.headers,
    receiver: {
      onHead({ kind, headers }: ReplyHead) {
        if (kind === 'stream') reader = createStreamReader(flight.append)
        flight.open({
          source: 'upstream',
          kind,
          headers,
          at: clock.now(),
          ageSeconds: null,
          attempts: handle?.attempts ?? 1,
          queueMs: handle?.waitedMs ?? 0,
        })
      },
      onBytes(bytes) {
        if (reader !== null) {
          const error = reader.push(bytes)
          if (error !== null) flight.fail(error)
          return
        }
        pieceBytes += bytes.length
        if (pieceBytes > MAX_DOCUMENT_BYTES)
          return flight.fail(fault('LG_UPSTREAM_ERROR', { cause: new Error('the reply is too large') }))
        pieces.push(bytes)
      },
      onEnd() {
        if (reader === null) endDocument()
        else endStream(reader)
      },
      onFault(error) {
        // Everything had been said before the connection broke.
        if (reader?.facts.done === true && reader.facts.finishReasons.length > 0) complete('stream', reader.facts)
        else flight.fail(error)
      },
    },
  })
  flight.attach(handle)

  function endDocument(): void {
    const bytes = Buffer.concat(pieces)
    const facts = factsOfDocument(bytes)
    if (facts === null) return flight.fail(notACompletion(bytes))
    flight.append(bytes, false)
    complete('document', facts)
  }

  function endStream(ended: StreamReader): void {
    const error = ended.end()
    if (error !== null) flight.fail(error)
    else complete('stream', ended.facts)
  }

  function complete(kind: Kind, facts: Facts): void {
    const kept = shared && flight.log.start === 0 && flight.log.bytes <= capBytes
    flight.complete(facts, kept ? record(kind, flight, facts) : null)
  }
}

/** A document that breaks off is a cut reply; anything else that is no completion is an error. */
function notACompletion(bytes: Buffer) {
  const text = bytes.toString('utf8').trim()
  const cut = text === '' || (text.startsWith('{') && !text.endsWith('}'))
  return fault(cut ? 'LG_UPSTREAM_TRUNCATED' : 'LG_UPSTREAM_ERROR', { cause: new Error('the reply is no completion') })
}

function record(kind: Kind, { log }: Flight, facts: Facts): Recording {
  let offset = 0
  let usageOnly: [number, number] | null = null
  for (const block of log.blocks) {
    if (block.usageOnly) usageOnly = [offset, block.bytes.length]
    offset += block.bytes.length
  }
  return { kind, bytes: Buffer.concat(log.blocks.map(({ bytes }) => bytes)), usageOnly, usage: facts.usage }
}
