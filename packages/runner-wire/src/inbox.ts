import { PROTOCOL_MINOR } from '@loopgate/contracts'
import { z } from 'zod'
import { createAssembler } from './parts.ts'

/** Most frames in one message: a peer batches one event-loop turn, and a runner has at most 1,024 slots. */
const MAX_FRAMES = 4_096

const messageSchema = z.array(z.looseObject({ type: z.string() })).max(MAX_FRAMES)
type RawFrame = z.infer<typeof messageSchema>[number]

export type FrameSchema<F> = {
  readonly options: readonly { readonly shape: { readonly type: { readonly value: string } } }[]
  readonly safeParse: (
    value: unknown,
  ) => { readonly success: true; readonly data: F } | { readonly success: false; readonly error: z.core.$ZodError }
}

/** What of a newer peer is passed over. */
export type Ignored = 'frame' | 'field'

export type Inbox<F> = {
  /** The frames of one message; or a sentence, fit for a close reason, that says how it breaks the protocol. */
  readonly take: (data: Buffer, isBinary: boolean) => readonly F[] | string
}

/**
 * Reads the messages of one socket. What only a newer minor version of the protocol can mean is
 * ignored and told to `onIgnored`; from a peer of the same or an older one it is a breach.
 */
export function createInbox<F extends { readonly type: string }>(
  schema: FrameSchema<F>,
  onIgnored: (what: Ignored) => void = () => {},
): Inbox<F> {
  const known = new Set(schema.options.map(({ shape }) => shape.type.value))
  const assembler = createAssembler()
  let peerMinor = 0

  const read = (text: string, isWhole: boolean): readonly F[] | string => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return 'expected JSON'
    }
    const message = messageSchema.safeParse(isWhole ? value : [value])
    if (!message.success) return describe(message.error)
    const frames: F[] = []
    for (const raw of message.data) {
      const frame = readFrame(raw)
      if (typeof frame === 'string') return frame
      if (frame !== null) frames.push(frame)
    }
    return frames
  }

  const readFrame = (raw: RawFrame): F | null | string => {
    if (!known.has(raw.type)) {
      if (peerMinor <= PROTOCOL_MINOR) return `unknown frame ${printable(raw.type).slice(0, 40)}`
      onIgnored('frame')
      return null
    }
    const result = schema.safeParse(raw)
    if (!result.success) return describe(result.error)
    const frame = result.data
    // The greeting says how new the other side is, and what follows it may be newer than we are.
    if ((raw.type === 'hello' || raw.type === 'welcome') && 'minor' in frame) peerMinor = Number(frame.minor)
    if (Object.keys(raw).some((field) => !Object.hasOwn(frame, field))) onIgnored('field')
    return frame
  }

  return {
    take(data, isBinary) {
      if (!isBinary) return read(data.toString(), true)
      const text = assembler.take(data)
      if (text === null) return []
      return typeof text === 'string' ? read(text, false) : text.breach
    },
  }
}

/** A close reason holds 123 bytes. */
function describe({ issues: [issue] }: z.core.$ZodError): string {
  return `bad frame at ${printable(issue?.path.join('.') ?? '').slice(0, 60)}: ${issue?.code ?? ''}`.slice(0, 120)
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')
