import type { Duplex } from 'node:stream'

const HEADER_BYTES = 5

/** Largest frame that a sandbox may send: the codec's own limit of a value, with room for its framing. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024 + 64 * 1024

export type Frame = { readonly kind: string; readonly payload: Buffer }

/** Framed messages with a bootstrap: a type byte, a big-endian u32 length, the payload. */
export type Channel = { readonly send: (kind: string, payload: Buffer | string) => void }

export type ChannelHandlers = {
  readonly onFrame: (frame: Frame) => void
  /** The peer broke the form of its frames; nothing more is read. */
  readonly onFault: (reason: string) => void
}

/**
 * Reads frames until the first that breaks the form, which is reported once; nothing after it is read.
 * Peers are untrusted: a frame above MAX_FRAME_BYTES is refused by its header, before it is buffered.
 */
export function createChannel(socket: Duplex, handlers: ChannelHandlers): Channel {
  let pending: Buffer[] = []
  let pendingBytes = 0
  let broken = false
  let needed = HEADER_BYTES
  socket.on('data', (chunk: Buffer) => {
    if (broken) return
    pending.push(chunk)
    pendingBytes += chunk.length
    if (pendingBytes < needed) return
    let buffer = pending.length === 1 ? chunk : Buffer.concat(pending, pendingBytes)
    while (buffer.length >= HEADER_BYTES) {
      const length = buffer.readUInt32BE(1)
      if (length > MAX_FRAME_BYTES) {
        broken = true
        pending = []
        handlers.onFault('a message is larger than the channel takes')
        return
      }
      if (buffer.length < HEADER_BYTES + length) break
      const kind = String.fromCharCode(buffer[0] ?? 0)
      handlers.onFrame({ kind, payload: buffer.subarray(HEADER_BYTES, HEADER_BYTES + length) })
      buffer = buffer.subarray(HEADER_BYTES + length)
    }
    needed = buffer.length >= HEADER_BYTES ? HEADER_BYTES + buffer.readUInt32BE(1) : HEADER_BYTES
    pending = buffer.length === 0 ? [] : [buffer]
    pendingBytes = buffer.length
  })
  // A peer that died is noticed by its exit.
  socket.on('error', () => {})
  let isCorked = false
  /** What is sent in one turn leaves in one write, which wakes the peer once. */
  const cork = () => {
    if (isCorked) return
    isCorked = true
    socket.cork()
    process.nextTick(() => {
      isCorked = false
      socket.uncork()
    })
  }
  return {
    send: (kind, payload) => {
      const body = typeof payload === 'string' ? Buffer.from(payload) : payload
      const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length)
      frame[0] = kind.charCodeAt(0)
      frame.writeUInt32BE(body.length, 1)
      body.copy(frame, HEADER_BYTES)
      if (socket.destroyed || !socket.writable) return
      cork()
      socket.write(frame)
    },
  }
}
