import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES } from '@loopgate/contracts'

/*
 * A frame that is larger than a message travels as binary messages: one byte that says whether more
 * follows, then a slice of its JSON text in UTF-8. Parts of one frame come one after the other.
 */
const MORE = 0
const LAST = 1
const SLICE_BYTES = MAX_MESSAGE_BYTES - 1

/** The binary messages that carry one large frame. */
export function partsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text)
  const parts: Buffer[] = []
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    const slice = bytes.subarray(from, from + SLICE_BYTES)
    parts.push(Buffer.concat([Buffer.of(from + SLICE_BYTES < bytes.length ? MORE : LAST), slice]))
  }
  return parts
}

export type Assembler = {
  /** The text of the frame once its last part is there, null before; or `{ breach }` for what is no part. */
  readonly take: (message: Buffer) => string | null | { readonly breach: string }
}

/** Puts parts together again. Holds at most one frame, of at most MAX_FRAME_BYTES. */
export function createAssembler(): Assembler {
  let slices: Buffer[] = []
  let bytes = 0
  return {
    take(message) {
      const mark = message[0]
      if (mark !== MORE && mark !== LAST) return { breach: 'expected text or a part of a frame' }
      const slice = message.subarray(1)
      bytes += slice.length
      if (bytes > MAX_FRAME_BYTES) return { breach: `a frame above ${MAX_FRAME_BYTES} bytes` }
      slices.push(slice)
      if (mark === MORE) return null
      const text = Buffer.concat(slices, bytes).toString()
      slices = []
      bytes = 0
      return text
    },
  }
}
