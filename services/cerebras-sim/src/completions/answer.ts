import { hash } from 'node:crypto'
import type { Generation } from '../generation/generation.ts'
import { randomFromDigest } from '../generation/random.ts'
import { requestIdHeaders, type HeaderList } from '../http/respond.ts'
import type { Model } from '../models/catalogue.ts'
import type { Call } from './call.ts'
import { timesOf, type Envelope } from './envelope.ts'
import type { Answer } from './reply.ts'
import type { Surface } from './surface.ts'

type Parts<Request> = {
  readonly call: Call
  readonly request: Request
  readonly model: Model
  /** The body as it came: its hash is the front of the id. */
  readonly bytes: Buffer
  readonly generation: Generation
  readonly headers: HeaderList
  /** Number of this answer among all of the simulator's. */
  readonly serial: number
  readonly wallMs: number
  /** 0 is not paced: `time_info` then goes by the advertised speed of the model. */
  readonly tokensPerSecond: number
  readonly streamed: () => void
}

/** Gives a generation its identity, times and headers; the same body differs in serial number and clock alone. */
export function prepareAnswer<Request extends { readonly model: string; readonly stream?: boolean | null | undefined }>(
  surface: Surface<Request>,
  parts: Parts<Request>,
): Answer {
  const { call, request, model, bytes, generation, serial, wallMs, streamed } = parts
  const digest = hash('sha1', bytes)
  const envelope: Envelope = {
    id: surface.idPrefix + uuidFrom(digest, serial),
    created: Math.floor(wallMs / 1000),
    model,
    times: timesOf(generation.usage, parts.tokensPerSecond || model.decodeTokensPerSecond, wallMs),
  }
  return {
    call,
    stream: request.stream === true,
    headers: ['inference-id', envelope.id, ...requestIdHeaders(serial), ...parts.headers],
    body: () => surface.body(envelope, generation),
    events: () => surface.events(envelope, generation, randomFromDigest(digest)),
    leadMs: (envelope.times.queue + envelope.times.prompt) * 1000,
    decodeMs: envelope.times.completion * 1000,
    streamed,
  }
}

/** A version-4-shaped UUID: its front from the digest, its last group the serial number. */
function uuidFrom(digest: string, serial: number): string {
  return (
    `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(12, 15)}-8${digest.slice(15, 18)}-` +
    serial.toString(16).padStart(12, '0')
  )
}
