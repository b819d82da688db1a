import type { Surface } from '@loopgate/contracts'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import { asDocument, asStream, type Recording } from '../shape/recording.ts'
import type { Generation, Sink } from '../types.ts'
import type { Flight, FlightEnd, Seat } from './flight.ts'
import { createRelay, type Relay } from './relay.ts'

type Content = Generation['content']

export type CallerSeat = Seat & {
  /** The answer in the caller's shape; for a stream as soon as it has begun, for a document when it is whole. */
  readonly content: Promise<Content>
  readonly leave: () => void
  /** The content is not given after all; nothing of it has been. */
  readonly withdraw: (error: LoopgateError) => void
}

export type SeatOptions = {
  readonly surface: Surface
  readonly stream: boolean
  /** A chunk that holds nothing but usage is for callers that asked for it. */
  readonly includeUsage: boolean
  /** The first bytes of a stream have been given to the caller. */
  readonly began: () => void
  /** Told once: null for a whole answer, else why not. */
  readonly over: (error: LoopgateError | null) => void
}

/** Documents made from a flight's recording, one for all of its callers. */
const documents = new WeakMap<FlightEnd, Buffer>()
const streams = new WeakMap<FlightEnd, Buffer>()

/** A caller's seat in a flight. It still has to join. */
export function createSeat(flight: Flight, options: SeatOptions): CallerSeat {
  const { surface, stream, includeUsage, began, over } = options
  const { promise: content, resolve, reject } = Promise.withResolvers<Content>()
  const pieces: Buffer[] = []
  let position = 0
  let readBytes = 0
  let relay: Relay | null = null
  let settled = false

  const seat: CallerSeat = {
    content,
    get position() {
      return relay?.position ?? position
    },
    get readBytes() {
      return relay?.readBytes ?? readBytes
    },
    wake() {
      if (relay !== null) return relay.pump()
      if (settled) return
      if (flight.fault !== null) return fail(flight.fault)
      if (stream && flight.head?.kind === 'stream' && flight.head.source === 'upstream') return relayFrom()
      gather()
      if (flight.end !== null) whole(flight.end)
    },
    drop() {
      // A socket that ends without its last chunk is an error to every client: no truncated success.
      relay?.destroy()
      seat.leave()
    },
    leave() {
      fail(fault('LG_CLIENT_CLOSED'))
      flight.leave(seat)
    },
    withdraw: settle,
  }
  return seat

  function relayFrom(): void {
    relay = createRelay(flight, { surface, includeUsage, began, over: settle, left: () => settled })
    const { pipe } = relay
    resolve({ kind: 'stream', pipe })
  }

  /** Takes what there is, so that a flight that is not kept can drop it. */
  function gather(): void {
    for (let block = flight.log.at(position); block !== undefined; block = flight.log.at(position)) {
      position++
      readBytes += block.bytes.length
      pieces.push(block.bytes)
    }
  }

  function whole(end: FlightEnd): void {
    const kind = flight.head?.kind ?? 'document'
    const recording = end.recording ?? { kind, bytes: Buffer.concat(pieces), usageOnly: null, usage: null }
    if (stream) {
      const bytes = remembered(streams, end, () => asStream(surface, recording, includeUsage), recording)
      resolve({ kind: 'stream', pipe: pipeWhole(bytes) })
    } else {
      const bytes = remembered(documents, end, () => asDocument(surface, recording), recording)
      settle(null)
      resolve({ kind: 'document', bytes })
    }
  }

  function pipeWhole(bytes: Buffer): (sink: Sink) => boolean {
    return (sink) => {
      if (settled) return true
      began()
      sink.write(bytes)
      sink.end()
      settle(null)
      return true
    }
  }

  function fail(error: LoopgateError): void {
    if (settled) return
    settle(error)
    reject(error)
  }

  function settle(error: LoopgateError | null): void {
    if (settled) return
    settled = true
    over(error)
  }
}

/** A shape that differs from the recording is made once for all callers of a flight. */
function remembered(
  made: WeakMap<FlightEnd, Buffer>,
  end: FlightEnd,
  make: () => Buffer,
  recording: Recording,
): Buffer {
  // With a chunk of usage alone the stream depends on the caller.
  if (recording.usageOnly !== null && made === streams) return make()
  const bytes = made.get(end) ?? make()
  made.set(end, bytes)
  return bytes
}
