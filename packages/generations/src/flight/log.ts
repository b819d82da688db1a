/** Bytes of whole events, or of a document; `usageOnly` marks a chunk with usage and no choice. */
export type Block = { readonly bytes: Buffer; readonly usageOnly: boolean }

/**
 * The append-only log of a flight. Readers have positions of their own; what all of them have read
 * may be dropped, and only then is a position below `start` gone.
 */
export type Log = {
  readonly append: (block: Block) => void
  /** The block at a position, undefined at the end. */
  readonly at: (position: number) => Block | undefined
  /** Drops what lies before a position. */
  readonly dropBefore: (position: number) => void
  /** Position behind the last block. */
  readonly end: number
  /** First position that is still held. */
  readonly start: number
  /** Bytes ever appended. */
  readonly bytes: number
  /** Everything from the first block on; only while nothing was dropped. */
  readonly blocks: readonly Block[]
}

export function createLog(): Log {
  let blocks: Block[] = []
  let start = 0
  let bytes = 0
  return {
    append(block) {
      blocks.push(block)
      bytes += block.bytes.length
    },
    at: (position) => blocks[position - start],
    dropBefore(position) {
      if (position <= start) return
      blocks = position >= start + blocks.length ? [] : blocks.slice(position - start)
      start = position
    },
    get end() {
      return start + blocks.length
    },
    get start() {
      return start
    },
    get bytes() {
      return bytes
    },
    get blocks() {
      return blocks
    },
  }
}
