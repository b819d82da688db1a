const CRLF2 = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

export type ReadRequest = { readonly line: string; readonly body: Buffer }

/**
 * Reads HTTP/1.1 requests out of the bytes of one connection, as little of HTTP as a mock upstream
 * behind gateways needs: a body by content-length or chunked, pipelined or in pieces.
 */
export function createRequestReader(onRequest: (request: ReadRequest) => void): (bytes: Buffer) => void {
  let pending: Buffer | undefined
  return (bytes) => {
    let rest = pending ? Buffer.concat([pending, bytes]) : bytes
    pending = undefined
    while (rest.length > 0) {
      const headEnd = rest.indexOf(CRLF2)
      const length = headEnd < 0 ? undefined : bodyLength(rest, headEnd)
      if (length === undefined || rest.length < headEnd + 4 + length) {
        pending = rest
        return
      }
      const end = headEnd + 4 + length
      onRequest({
        line: rest.toString('latin1', 0, rest.indexOf(13)),
        body: rest.subarray(headEnd + 4, end),
      })
      rest = rest.subarray(end)
    }
  }
}

/** Bytes of the body as framed on the wire; undefined if a chunked body has not ended yet. */
function bodyLength(bytes: Buffer, headEnd: number): number | undefined {
  const head = bytes.toString('latin1', 0, headEnd)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return Number(length)
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return 0
  const last = bytes.indexOf(LAST_CHUNK, headEnd + 4)
  return last < 0 ? undefined : last + LAST_CHUNK.length - headEnd - 4
}
