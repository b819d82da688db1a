const LF = 0x0a
const CR = 0x0d
const NOTHING: Buffer = Buffer.alloc(0)

/** An event above this is refused: no chunk of a completion comes near it. */
export const MAX_EVENT_BYTES = 8 * 1024 * 1024

export type Framer = {
  /**
   * Takes a piece of a stream, cut anywhere, and returns the bytes of all events that it
   * completed, exactly as they came, or null while an event is still incomplete.
   * @throws RangeError when an event grows beyond the bound
   */
  readonly push: (piece: Buffer) => Buffer | null
  /** What was left without a blank line when the stream ended; null if nothing. */
  readonly end: () => Buffer | null
}

/**
 * Cuts a server-sent event stream at blank lines, whichever line ends it uses (LF, CRLF, CR or a
 * mixture). Only bytes are looked at, and only from the end of each piece, so that the usual piece,
 * which ends with an event, costs nothing and is passed on without a copy.
 */
export function createFramer(maxEventBytes: number = MAX_EVENT_BYTES): Framer {
  let held: Buffer[] = []
  let heldBytes = 0

  return {
    push(piece) {
      if (piece.length === 0) return null
      const cut = lastBoundary(piece, lastBytes(held, 3))
      if (cut === 0) {
        hold(piece)
        return null
      }
      const complete = held.length === 0 && cut === piece.length ? piece : joined(piece.subarray(0, cut))
      if (cut < piece.length) hold(piece.subarray(cut))
      return complete
    },
    end() {
      return heldBytes === 0 ? null : joined(NOTHING)
    },
  }

  function hold(bytes: Buffer): void {
    held.push(bytes)
    heldBytes += bytes.length
    if (heldBytes > maxEventBytes) throw new RangeError(`an event is larger than ${maxEventBytes} bytes`)
  }

  function joined(bytes: Buffer): Buffer {
    const all = held.length === 0 ? bytes : Buffer.concat([...held, bytes])
    held = []
    heldBytes = 0
    return all
  }
}

/**
 * Offset just behind the last blank line of a piece, 0 if there is none. `before` holds up to three
 * bytes that came before the piece. A blank line is two line ends in a row, CRLF being one line end.
 */
function lastBoundary(piece: Buffer, before: Buffer): number {
  const at = (index: number): number | undefined => (index >= 0 ? piece[index] : before[before.length + index])
  for (let end = piece.length; end > 0; end--) {
    const last = piece[end - 1]
    if (last === LF) {
      const previous = at(end - 2)
      if (previous === LF) return end
      if (previous === CR) {
        const third = at(end - 3)
        if (third === LF || third === CR) return end
      }
    } else if (last === CR) {
      const previous = at(end - 2)
      if (previous === CR || previous === LF) return end
    }
  }
  return 0
}

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
  let start = 0
  for (let index = 0; index < block.length;) {
    const lineEnd = afterLineEnd(block, index)
    const blank = lineEnd === 0 ? 0 : afterLineEnd(block, lineEnd)
    if (blank > 0) {
      events.push(block.subarray(start, blank))
      start = blank
      index = blank
    } else index = lineEnd > 0 ? lineEnd : index + 1
  }
  if (start < block.length) events.push(block.subarray(start))
  return events
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
