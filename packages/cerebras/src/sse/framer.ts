const LF = 0x0a
const CR = 0x0d
const NOTHING: Buffer = Buffer.alloc(0)

/** An event above this is refused: no chunk of a completion comes near it. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024

/** Who takes the bytes of whole events. */
export type BlockTaker = { readonly block: (bytes: Buffer) => void }

/**
 * Cuts a server-sent event stream at blank lines, whichever line end it uses (LF, CRLF, CR or a
 * mixture). Only bytes are looked at, and only from the end of each piece, so that the usual piece,
 * which ends with an event, costs nothing and is passed on without a copy.
 */
export class Framer {
  readonly #maxEventBytes: number
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(maxEventBytes: number = MAX_EVENT_BYTES) {
    this.#maxEventBytes = maxEventBytes
  }

  /**
   * Takes a piece of a stream, cut anywhere, and hands on the bytes of all events that it completed,
   * exactly as they came, in one or two blocks: an event that began earlier is put together, what
   * follows it is a view of the piece.
   * @throws RangeError when an event grows beyond the bound
   */
  push(piece: Buffer, taker: BlockTaker): void {
    if (piece.length === 0) return
    const before = lastBytes(this.#held, 3)
    const cut = lastBoundary(piece, before)
    if (cut === 0) return this.#hold(piece)
    const joint = this.#heldBytes === 0 ? 0 : firstBoundary(piece, before)
    if (joint > 0) taker.block(this.#joined(piece.subarray(0, joint)))
    if (joint < cut) taker.block(joint === 0 && cut === piece.length ? piece : piece.subarray(joint, cut))
    if (cut < piece.length) this.#hold(piece.subarray(cut))
  }

  /** What was left without a blank line when the stream ended; null if nothing. */
  end(): Buffer | null {
    return this.#heldBytes === 0 ? null : this.#joined(NOTHING)
  }

  #hold(bytes: Buffer): void {
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#maxEventBytes) {
      throw new RangeError(`an event is larger than ${this.#maxEventBytes} bytes`)
    }
  }

  #joined(bytes: Buffer): Buffer {
    if (this.#held.length === 0) return bytes
    const all = Buffer.concat([...this.#held, bytes])
    this.#held = []
    this.#heldBytes = 0
    return all
  }
}

/** Offset just behind the last blank line of a piece, 0 if there is none; `before` is what came before it. */
function lastBoundary(piece: Buffer, before: Buffer): number {
  for (let end = piece.length; end > 0; end--) if (endsBlank(piece, end, before)) return end
  return 0
}

/** Offset just behind the first one. */
function firstBoundary(piece: Buffer, before: Buffer): number {
  for (let end = 1; end <= piece.length; end++) {
    if (endsBlank(piece, end, before)) return piece[end - 1] === CR && piece[end] === LF ? end + 1 : end
  }
  return 0
}

/** Whether a blank line ends at `end`: two line ends in a row, CRLF being one. */
function endsBlank(piece: Buffer, end: number, before: Buffer): boolean {
  const last = piece[end - 1]
  if (last !== LF && last !== CR) return false
  const previous = byteAt(piece, end - 2, before)
  if (last === CR) return previous === CR || previous === LF
  if (previous !== CR) return previous === LF
  const third = byteAt(piece, end - 3, before)
  return third === LF || third === CR
}

const byteAt = (piece: Buffer, index: number, before: Buffer): number | undefined =>
  index >= 0 ? piece[index] : before[before.length + index]

/** The last bytes of what is held, at most `count`. */
function lastBytes(held: readonly Buffer[], count: number): Buffer {
  const last = held.at(-1)
  if (last === undefined) return NOTHING
  if (last.length >= count || held.length === 1) return last.subarray(-count)
  return Buffer.concat(held.slice(-count)).subarray(-count)
}

/** Cuts bytes that hold whole events into one piece for each event; blank lines stay with their event. */
export function splitEvents(block: Buffer): Buffer[] {
  const events: Buffer[] = []
  for (let start = 0; start < block.length;) {
    const end = eventEnd(block, start)
    events.push(block.subarray(start, end))
    start = end
  }
  return events
}

/** Offset behind the blank line that ends the event around `index`; the end of the block if there is none. */
export function eventEnd(block: Buffer, index: number): number {
  for (let at = index; at < block.length;) {
    const lineEnd = afterLineEnd(block, at)
    const blank = lineEnd === 0 ? 0 : afterLineEnd(block, lineEnd)
    if (blank > 0) return blank
    at = lineEnd > 0 ? lineEnd : at + 1
  }
  return block.length
}

/** Offset at which the event around `index` begins, looking back no further than `from`. */
export function eventStart(block: Buffer, index: number, from: number): number {
  return from + lastBoundary(block.subarray(from, index), NOTHING)
}

/** Offset behind the line end that starts at `index`, 0 if none starts there. */
function afterLineEnd(block: Buffer, index: number): number {
  if (block[index] === LF) return index + 1
  if (block[index] === CR) return block[index + 1] === LF ? index + 2 : index + 1
  return 0
}

export type SseEvent = { readonly name: string; readonly data: string }

/** Name and data of one event, lines of data joined by LF; null if it has no data (comments, blank lines). */
export function parseEvent(event: Buffer): SseEvent | null {
  let name = 'message'
  let data: string | null = null
  for (const line of event
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data = data === null ? value : `${data}\n${value}`
    else if (field === 'event') name = value
  }
  return data === null ? null : { name, data }
}
