import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'

/** A stream that can be written to and listened to before there is a socket behind it. */
export type LateStream = { readonly stream: Duplex; readonly attach: (socket: Socket) => void }

export function createLateStream(): LateStream {
  let socket: Socket | null = null
  let waiting: (() => void) | null = null
  const put = (bytes: Buffer, done: (error?: Error | null) => void) => {
    const write = () => void socket?.write(bytes, () => done())
    if (socket === null) waiting = write
    else write()
  }
  const stream = new Duplex({
    // Ends with its peer: a sandbox whose end of the channel is closed reads nothing more.
    allowHalfOpen: false,
    read: () => void socket?.resume(),
    write: (chunk: Buffer, _encoding, done) => put(chunk, done),
    writev: (chunks, done) => put(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done),
    destroy: (error, done) => {
      socket?.destroy()
      done(error)
    },
  })
  return {
    stream,
    attach: (attached) => {
      socket = attached
      attached.on('data', (chunk: Buffer) => {
        if (!stream.push(chunk)) attached.pause()
      })
      attached.once('close', () => {
        stream.push(null)
        stream.destroy()
      })
      waiting?.()
      waiting = null
    },
  }
}
