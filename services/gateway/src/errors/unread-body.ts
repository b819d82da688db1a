import type { IncomingMessage } from 'node:http'

/** A refused caller may go on sending for so long, so that it can read the answer before the connection ends. */
const LINGER_MS = 5_000
/** And send so much: past this the connection is cut. */
const LINGER_BYTES = 4 * 1024 * 1024

/**
 * Throws away what is still to come of a request's body, within bounds. Closing at once would
 * reset the connection under a caller that is still sending, and it would never see the answer.
 */
export function discardUnreadBody(request: IncomingMessage): void {
  if (request.complete || request.readableEnded || request.destroyed) return
  let bytes = 0
  // Destroys the socket with it.
  const cut = (): void => {
    request.destroy()
  }
  const timer = setTimeout(cut, LINGER_MS)
  timer.unref()
  const stop = (): void => clearTimeout(timer)
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > LINGER_BYTES) cut()
  })
  request.once('end', stop)
  request.once('close', stop)
  request.resume()
}
