import { MAX_MESSAGE_BYTES, type GatewayFrame } from '@loopgate/contracts'

/** What the outbox needs of a socket. */
export type Sink = {
  readonly bufferedAmount: number
  readonly send: (message: string) => void
}

export type Outbox = {
  readonly push: (frame: GatewayFrame) => void
  /** Sends at once what would go at the end of the turn. */
  readonly flush: () => void
  /** Bytes that wait here and in the socket. */
  readonly bytes: () => number
}

/**
 * Collects the frames of one event-loop turn into as few messages as the message limit allows.
 * Neither ws nor the kernel bounds what is queued for a slow peer (websockets/ws#492), so the
 * owner has to look at `bytes` before it adds more.
 */
export function createOutbox(sink: Sink): Outbox {
  let frames: { text: string; bytes: number }[] = []
  let pendingBytes = 0

  const flush = (): void => {
    if (frames.length === 0) return
    const batch = frames
    frames = []
    pendingBytes = 0
    let message: string[] = []
    let messageBytes = 0
    for (const { text, bytes } of batch) {
      // One more for the comma or a bracket.
      if (message.length > 0 && messageBytes + bytes + 2 > MAX_MESSAGE_BYTES) {
        sink.send(`[${message.join(',')}]`)
        message = []
        messageBytes = 0
      }
      message.push(text)
      messageBytes += bytes + 1
    }
    sink.send(`[${message.join(',')}]`)
  }

  return {
    push(frame) {
      const text = JSON.stringify(frame)
      const bytes = Buffer.byteLength(text)
      if (frames.length === 0) setImmediate(flush)
      frames.push({ text, bytes })
      pendingBytes += bytes
    },
    flush,
    bytes: () => pendingBytes + sink.bufferedAmount,
  }
}
