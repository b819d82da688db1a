import type { Socket } from 'node:net'
import { fault, type ErrorCode } from '@loopgate/service-kit'
import { openaiShape } from './bodies.ts'

type Answer = { readonly status: string; readonly code: ErrorCode; readonly message: string }

const MALFORMED: Answer = {
  status: '400 Bad Request',
  code: 'LG_BAD_REQUEST',
  message: 'The request is not valid HTTP',
}
const ANSWERS: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'LG_TOO_LARGE',
    message: 'The headers are larger than the gateway takes',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'LG_BAD_REQUEST',
    message: 'The request did not arrive in time',
  },
}

/**
 * Answers bytes that are no HTTP request, and requests that never arrive whole, with a JSON error,
 * and closes the connection: what follows on it cannot be trusted.
 */
export function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const answer = ANSWERS[error.code ?? ''] ?? MALFORMED
  const body = JSON.stringify(openaiShape.body(fault(answer.code, { message: answer.message }), ''))
  // An answer already under way must not be followed by another one on the same connection.
  if (socket.bytesWritten > 0 && hasOpenResponse(socket)) {
    socket.destroy()
    return
  }
  socket.end(
    `HTTP/1.1 ${answer.status}\r\ncontent-type: ${openaiShape.contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

/** Node keeps the response in progress on the socket; the same test as its own default handler makes. */
function hasOpenResponse(socket: Socket): boolean {
  const { _httpMessage: message } = socket as Socket & {
    _httpMessage?: { headersSent?: boolean; _headerSent?: boolean }
  }
  return message?._headerSent === true
}
