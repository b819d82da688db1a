import { MAX_MESSAGE_BYTES, type RunnerFrame } from '@loopgate/contracts'

/** What the outbox needs of a socket. */
export type Sink = { readonly bufferedAmount: number; readonly send: (message: string) => void }

export type Outbox = {
  readonly push: (frame: RunnerFrame) => void
  /** Sends at once what would go at the end of the turn. */
  readonly flush: () => void
}

/** What may wait for a gateway that does not read; results are kept elsewhere until acknowledged. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024

/**
 * Sends the frames of one event-loop turn as few messages, none above the limit of the protocol.
 * Neither ws nor the kernel bounds what is queued for a slow peer (websockets/ws#492), so `onFull`
 * is called once when too much waits.
 */
export function createOutbox(sink: Sink, onFull: () => void): Outbox {
  let frames: string[] = []
  let waitingBytes = 0
  let full = false

  const flush = () => {
    const batch = frames
    frames = []
    waitingBytes = 0
    let message: string[] = []
    let messageBytes = 2
    for (const text of batch) {
      const bytes = Buffer.byteLength(text) + 1
      if (message.length > 0 && messageBytes + bytes > MAX_MESSAGE_BYTES) {
        sink.send(`[${message.join(',')}]`)
        message = []
        messageBytes = 2
      }
      message.push(text)
      messageBytes += bytes
    }
    if (message.length > 0) sink.send(`[${message.join(',')}]`)
  }

  return {
    push: (frame) => {
      if (full) return
      const text = JSON.stringify(frame)
      if (frames.length === 0) setImmediate(flush)
      frames.push(text)
      waitingBytes += text.length
      if (waitingBytes + sink.bufferedAmount <= WAITING_BYTES_MAX) return
      full = true
      frames = []
      onFull()
    },
    flush,
  }
}
