import type { Surface } from '@loopgate/contracts'
import { asDocument, asStream, type Recording } from '../shape/recording.ts'
import type { Flight, FlightEnd } from './flight.ts'

/** Answers in the shape that the recording does not have, made once for all callers of a flight. */
const documents = new WeakMap<FlightEnd, Buffer>()
const streams = new WeakMap<FlightEnd, Buffer>()

/** What a flight gave that has ended; `pieces` are what a seat has gathered of one that kept nothing. */
function recordingOf({ head, log }: Flight, { recording }: FlightEnd, pieces: readonly Buffer[] | null): Recording {
  if (recording !== null) return recording
  const all = pieces ?? log.blocks.map(({ bytes }) => bytes)
  const bytes = all.length === 1 && all[0] !== undefined ? all[0] : Buffer.concat(all)
  return { kind: head?.kind ?? 'document', bytes, usageOnly: null, usage: null }
}

/** The answer as one document. */
export function documentOf(surface: Surface, flight: Flight, end: FlightEnd, pieces: readonly Buffer[]): Buffer {
  const recording = recordingOf(flight, end, pieces)
  if (recording.kind === 'document') return recording.bytes
  const bytes = documents.get(end) ?? asDocument(surface, recording)
  documents.set(end, bytes)
  return bytes
}

/** The answer of a flight that is not relayed, as a stream: from the cache, or made from a document. */
export function streamOf(
  { surface, includeUsage }: { surface: Surface; includeUsage: boolean },
  flight: Flight,
  end: FlightEnd,
): Buffer {
  const recording = recordingOf(flight, end, null)
  // As recorded it costs nothing, and a chunk of usage alone depends on the caller.
  if (recording.kind === 'stream') return asStream(surface, recording, includeUsage)
  const bytes = streams.get(end) ?? asStream(surface, recording, includeUsage)
  streams.set(end, bytes)
  return bytes
}
