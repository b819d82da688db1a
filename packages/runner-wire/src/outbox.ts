import { MAX_FRAME_BYTES, MAX_MESSAGE_BYTES } from '@loopgate/contracts'
import { partsOf } from './parts.ts'

/** What the outbox needs of a socket. */
export type Sink = {
  readonly bufferedAmount: number
  /** `sent` is called once the message has left this process, or could not. */
  readonly send: (message: string | Buffer, sent: () => void) => void
}

export type Outbox<F> = {
  /** @throws Error for a frame above MAX_FRAME_BYTES, which its maker has to prevent */
  readonly push: (frame: F) => void
  /**
   * As `push`, for what may be lost: false, and nothing is sent, while more than BACKLOG_BYTES_MAX of
   * the same owner wait here. Never stands in the way of what is pushed.
   */
  readonly offer: (owner: string, frame: F) => boolean
  /** Sends at once whatever waits, however full the socket is: before it is closed. */
  readonly flush: () => void
  /** Bytes that wait here and in the socket. */
  readonly bytes: () => number
}

type Item = { readonly text: string; readonly bytes: number; readonly owner: string | null }

/** What the socket may hold unsent before more waits here: ws itself sets no bound (websockets/ws#492). */
const HIGH_WATER_BYTES = 1024 * 1024
/** What may wait of one owner's droppable frames. */
export const BACKLOG_BYTES_MAX = 256 * 1024

/**
 * Collects the frames of one event-loop turn into as few messages as the limit allows, hands the
 * socket no more than it can take, and calls `onFull` once when more than `maxBytes` wait for a peer
 * that does not read; after that nothing more is taken.
 */
export function createOutbox<F>(sink: Sink, maxBytes: number, onFull: () => void): Outbox<F> {
  let waiting: Item[] = []
  let waitingBytes = 0
  /** Parts of a frame that is being sent. */
  let parts: Buffer[] = []
  let scheduled = false
  let full = false
  const backlog = new Map<string, number>()

  const add = (text: string, owner: string | null): void => {
    const bytes = Buffer.byteLength(text)
    if (bytes > MAX_FRAME_BYTES) throw new Error(`a frame of ${bytes} bytes is above the limit of the protocol`)
    waiting.push({ text, bytes, owner })
    waitingBytes += bytes
    if (owner !== null) backlog.set(owner, (backlog.get(owner) ?? 0) + bytes)
    schedule()
    if (waitingBytes + sink.bufferedAmount <= maxBytes) return
    full = true
    waiting = []
    parts = []
    waitingBytes = 0
    onFull()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      send(HIGH_WATER_BYTES)
    })
  }
  const send = (upToBytes: number): void => {
    while (waiting.length + parts.length > 0 && sink.bufferedAmount < upToBytes) {
      sink.send(nextPart() ?? nextBatch(), () => {
        if (waiting.length + parts.length > 0) schedule()
      })
    }
  }
  const nextPart = (): Buffer | null => {
    const [first] = waiting
    // Two more for the brackets.
    if (parts.length === 0 && first !== undefined && first.bytes + 2 > MAX_MESSAGE_BYTES) {
      parts = partsOf(first.text)
      waiting.shift()
      settle(first)
      waitingBytes += parts.reduce((sum, part) => sum + part.length, 0)
    }
    const part = parts.shift() ?? null
    if (part !== null) waitingBytes -= part.length
    return part
  }
  const nextBatch = (): string => {
    let bytes = 1
    let count = 0
    for (const item of waiting) {
      // One more for the comma or the bracket.
      if (bytes + item.bytes + 1 > MAX_MESSAGE_BYTES) break
      bytes += item.bytes + 1
      count += 1
    }
    const batch = waiting.splice(0, count)
    for (const item of batch) settle(item)
    return `[${batch.map(({ text }) => text).join(',')}]`
  }
  const settle = ({ bytes, owner }: Item): void => {
    waitingBytes -= bytes
    if (owner === null) return
    const left = (backlog.get(owner) ?? 0) - bytes
    if (left > 0) backlog.set(owner, left)
    else backlog.delete(owner)
  }

  return {
    push(frame) {
      if (!full) add(JSON.stringify(frame), null)
    },
    offer(owner, frame) {
      if (full) return false
      const text = JSON.stringify(frame)
      const held = backlog.get(owner) ?? 0
      // Characters for bytes: a bound need not be exact, and this is asked for every piece of output.
      if (held + text.length > BACKLOG_BYTES_MAX) return false
      add(text, owner)
      return true
    },
    flush: () => send(Infinity),
    bytes: () => waitingBytes + sink.bufferedAmount,
  }
}
