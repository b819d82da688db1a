/** Bytes of whole events, or of a document; `usageOnly` marks a chunk with usage and no choice. */
export type Block = { readonly bytes: Buffer; readonly usageOnly: boolean }

/**
 * The append-only log of a flight. Readers have positions of their own; what all of them have read
 * may be dropped, and only then is a position below `start` gone.
 */
export class Log {
  #blocks: Block[] = []
  #start = 0
  #bytes = 0

  append(block: Block): void {
    this.#blocks.push(block)
    this.#bytes += block.bytes.length
  }

  /** The block at a position, undefined at the end. */
  at(position: number): Block | undefined {
    return this.#blocks[position - this.#start]
  }

  /** Drops what lies before a position. */
  dropBefore(position: number): void {
    if (position <= this.#start) return
    this.#blocks = position >= this.end ? [] : this.#blocks.slice(position - this.#start)
    this.#start = position
  }

  /** Everything is gone, as if nothing had come. */
  clear(): void {
    this.#blocks = []
    this.#start = 0
    this.#bytes = 0
  }

  /** Position behind the last block. */
  get end(): number {
    return this.#start + this.#blocks.length
  }

  /** First position that is still held. */
  get start(): number {
    return this.#start
  }

  /** Bytes ever appended. */
  get bytes(): number {
    return this.#bytes
  }

  /** What is held: everything from the first block on, as long as nothing was dropped. */
  get blocks(): readonly Block[] {
    return this.#blocks
  }
}
