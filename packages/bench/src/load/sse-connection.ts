import { connect, type Socket } from 'node:net'
import { type Call, requestBytes } from './call.ts'

/** End of a chunked body; nothing follows it, since the next call is sent only after it. */
export const BODY_END = Buffer.from('0\r\n\r\n')
/** The end of one chunk and the head of the next, which may lie inside an event. */
const CHUNK_SEAM = /\r\n[0-9a-f]+\r\n/gi
/** Bytes kept of what came before, to find a marker that lies across two reads. */
const TAIL_BYTES = 64

export type StreamTotals = {
  /** Bytes of the whole responses, and of those still under way. */
  wholeBytes: number
  openBytes: number
  responses: number
  incomplete: number
  failed: number
  reconnects: number
}

/**
 * Repeats a streamed call over one raw connection and counts bytes and whole responses, which costs
 * far less than parsing: one search in the last bytes of each read. A response without `[DONE]`
 * counts as incomplete, one whose status is not 200 as failed.
 */
export function sseConnection(call: Call, totals: StreamTotals, stopped: () => boolean): Promise<void> {
  const url = new URL(call.url)
  const request = requestBytes(url, call)
  return new Promise((resolve) => {
    let socket: Socket
    let tail: Buffer = Buffer.alloc(0)
    let started = false
    let own = 0
    const send = () => {
      started = false
      own = 0
      tail = Buffer.alloc(0)
      socket.write(request)
    }
    const onData = (bytes: Buffer) => {
      totals.openBytes += bytes.length
      own += bytes.length
      if (!started) {
        started = true
        if (!bytes.toString('latin1', 0, 15).startsWith('HTTP/1.1 200')) totals.failed += 1
      }
      tail =
        bytes.length >= TAIL_BYTES ? bytes.subarray(-TAIL_BYTES) : Buffer.concat([tail, bytes]).subarray(-TAIL_BYTES)
      if (!tail.subarray(-BODY_END.length).equals(BODY_END)) return
      totals.responses += 1
      totals.wholeBytes += own
      totals.openBytes -= own
      if (!tail.toString('latin1').replaceAll(CHUNK_SEAM, '').includes('data: [DONE]')) totals.incomplete += 1
      if (stopped()) socket.destroy()
      else send()
    }
    const open = () => {
      socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
      socket.on('connect', send)
      socket.on('data', onData)
      socket.on('error', () => {})
      socket.on('close', () => {
        if (stopped()) resolve()
        else {
          totals.reconnects += 1
          setTimeout(open, 10)
        }
      })
    }
    open()
  })
}
