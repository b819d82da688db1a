import { usageSchema } from '@loopgate/contracts'
import { ERRORS, type ErrorCode, fault, type LoopgateError } from '@loopgate/service-kit'
import { z } from 'zod'

/*
 * A flight on its way to another replica: frames of one byte for the kind, four for the length of
 * the payload (big endian), and the payload. Blocks are bytes of the upstream as they came.
 */
const KINDS = { head: 1, block: 2, usageBlock: 3, end: 4, fault: 5, alive: 6 } as const
const PREAMBLE_BYTES = 5
/** No frame is larger: a document is one block, and no reply may be larger than this. */
const MAX_PAYLOAD_BYTES = 65 * 1024 * 1024

const headSchema = z.object({
  kind: z.enum(['stream', 'document']),
  /** Who has answered in place of the upstream. */
  fallback: z.object({ name: z.string().max(64), model: z.string().max(200) }).optional(),
})
/** An older replica sends none, and reads none. */
const waitSchema = z.object({ expectedMs: z.number().min(0) })
const endSchema = z.object({
  finishReasons: z.array(z.string()).readonly(),
  usage: usageSchema.nullable(),
  done: z.boolean(),
})
const codeSchema = z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(ERRORS, value))
const faultSchema = z.object({
  code: codeSchema,
  message: z.string(),
  status: z.int().min(400).max(599),
  type: z.string(),
  openaiCode: z.string().nullable(),
  param: z.string().nullable(),
  retryAfterMs: z.number().nullable(),
  /** Absent from a replica that elects no successors. */
  inheritable: z.boolean().default(false),
})

export type PeerHead = z.infer<typeof headSchema>
export type PeerEnd = z.infer<typeof endSchema>

/** What arrives, in order: a head, blocks, then an end or a fault. */
export type FrameTaker = {
  readonly head: (head: PeerHead) => void
  readonly block: (bytes: Buffer, usageOnly: boolean) => void
  readonly end: (end: PeerEnd) => void
  /** Nothing has come from the upstream; if that is since there is no room for the call, for how long is expected, in ms. */
  readonly alive: (expectedMs: number | null) => void
  /** `inheritable`: one of those who wait may try again. */
  readonly fault: (error: LoopgateError, inheritable: boolean) => void
}

export const ALIVE = frame(KINDS.alive, Buffer.alloc(0))

/** A sign of life of a flight that waits for room. */
export const encodeWait = (expectedMs: number): Buffer => frame(KINDS.alive, json({ expectedMs }))
export const encodeHead = (head: PeerHead): Buffer => frame(KINDS.head, json(head))
export const encodeEnd = (end: PeerEnd): Buffer => frame(KINDS.end, json(end))

/** The frame of a block without its bytes, which follow as they are: no copy. */
export function blockPreamble(length: number, usageOnly: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(PREAMBLE_BYTES)
  bytes.writeUInt8(usageOnly ? KINDS.usageBlock : KINDS.block, 0)
  bytes.writeUInt32BE(length, 1)
  return bytes
}

export function encodeFault(error: LoopgateError, inheritable: boolean): Buffer {
  const { code, statusCode, type, openaiCode, param, retryAfterMs } = error
  // The detail of a fault of ours or of the upstream's stays in the log of the replica that met it.
  const message = statusCode >= 500 ? ERRORS[code].message : error.message
  return frame(
    KINDS.fault,
    json({ code, message, status: statusCode, type, openaiCode, param, retryAfterMs, inheritable }),
  )
}

function frame(kind: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREAMBLE_BYTES + payload.length)
  bytes.writeUInt8(kind, 0)
  bytes.writeUInt32BE(payload.length, 1)
  payload.copy(bytes, PREAMBLE_BYTES)
  return bytes
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

/** Reads frames out of pieces that are cut anywhere. */
export class FrameReader {
  readonly #taker: FrameTaker
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(taker: FrameTaker) {
    this.#taker = taker
  }

  /** @throws Error for what is no frame; nothing may be pushed after that */
  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    while (this.#bytes >= PREAMBLE_BYTES) {
      const preamble = this.#first(PREAMBLE_BYTES)
      const end = PREAMBLE_BYTES + preamble.readUInt32BE(1)
      if (end > MAX_PAYLOAD_BYTES) throw new Error('a frame is too large')
      if (this.#bytes < end) return
      const first = this.#first(end)
      this.#bytes -= end
      if (first.length > end) this.#pieces[0] = first.subarray(end)
      else this.#pieces.shift()
      this.#take(first.readUInt8(0), first.subarray(PREAMBLE_BYTES, end))
    }
  }

  /** The first piece, joined with the others if it is shorter than this. */
  #first(bytes: number): Buffer {
    const [first] = this.#pieces
    if (first !== undefined && first.length >= bytes) return first
    const all = Buffer.concat(this.#pieces, this.#bytes)
    this.#pieces = [all]
    return all
  }

  #take(kind: number, payload: Buffer): void {
    if (kind === KINDS.block || kind === KINDS.usageBlock) this.#taker.block(payload, kind === KINDS.usageBlock)
    else if (kind === KINDS.head) this.#taker.head(headSchema.parse(JSON.parse(payload.toString())))
    else if (kind === KINDS.end) this.#taker.end(endSchema.parse(JSON.parse(payload.toString())))
    else if (kind === KINDS.fault) this.#fault(payload)
    else if (kind === KINDS.alive) this.#taker.alive(readWait(payload))
    else throw new Error(`a frame of kind ${kind}`)
  }

  #fault(payload: Buffer): void {
    const { code, param, retryAfterMs, inheritable, ...rest } = faultSchema.parse(JSON.parse(payload.toString()))
    const error = fault(code, {
      ...rest,
      ...(param === null ? {} : { param }),
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    })
    this.#taker.fault(error, inheritable)
  }
}

const readWait = (payload: Buffer): number | null =>
  payload.length === 0 ? null : waitSchema.parse(JSON.parse(payload.toString())).expectedMs
