import { MAX_MESSAGE_BYTES, type GatewayFrame } from '@loopgate/contracts'

/** What the outbox needs of a socket. */
export type Sink = {
  readonly bufferedAmount: number
  readonly send: (message: string) => void
}

export type Outbox = {
  readonly push: (frame: GatewayFrame) => void
  /** Bytes that wait here and in the socket. */
  readonly bytes: () => number
}

/**
 * Collects the frames of one event-loop turn into as few messages as the message limit allows.
 * Neither ws nor the kernel bounds what is queued for a slow peer (websockets/ws#492), so the
 * owner has to look at `bytes` before it adds more.
 */
export function createOutbox(sink: Sink): Outbox {
  let frames: string[] = []
  let pendingBytes = 0

  const flush = (): void => {
    const batch = frames
    frames = []
    pendingBytes = 0
    let message: string[] = []
    let bytes = 0
    for (const frame of batch) {
      const size = Buffer.byteLength(frame) + 1
      if (message.length > 0 && bytes + size > MAX_MESSAGE_BYTES - 2) {
        sink.send(`[${message.join(',')}]`)
        message = []
        bytes = 0
      }
      message.push(frame)
      bytes += size
    }
    sink.send(`[${message.join(',')}]`)
  }

  return {
    push(frame) {
      const text = JSON.stringify(frame)
      if (frames.length === 0) setImmediate(flush)
      frames.push(text)
      pendingBytes += text.length
    },
    bytes: () => pendingBytes + sink.bufferedAmount,
  }
}
