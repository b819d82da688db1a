/**
 * Replies of the mock upstream, made once. Their shapes are those of Cerebras, complete with usage
 * and a finish reason, so that a gateway which checks what it relays has no reason to refuse them.
 */

/** Size of the JSON reply. Measured: about the size of a short code answer. */
const JSON_BYTES = 1021
/** Size of one framed event, as of one that carries a few tokens. */
export const EVENT_BYTES = 156

const HEAD = '"created":1795000001,"model":"gpt-oss-120b"'
const USAGE =
  '"usage":{"prompt_tokens":200,"completion_tokens":250,"total_tokens":450,"prompt_tokens_details":{"cached_tokens":0}},' +
  '"time_info":{"created":1795000001.5,"queue_time":0.004,"prompt_time":0.003,"completion_time":0.11,"total_time":0.12}'

/** The whole HTTP reply to a call that does not stream. */
export function jsonReply(): Buffer {
  const body = (content: string) =>
    `{"id":"chatcmpl-bench","choices":[{"finish_reason":"stop","index":0,"message":{"content":"${content}","role":"assistant"}}],` +
    `${HEAD},"object":"chat.completion",${USAGE}}`
  const text = body('x'.repeat(JSON_BYTES - body('').length))
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  )
}

/** Head of a reply that streams. */
const STREAM_HEAD = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n',
)

/** One content event, framed for SSE and padded to its size. */
function contentEvent(): string {
  const frame = (content: string) =>
    `data: {"id":"chatcmpl-bench","choices":[{"delta":{"content":"${content}"},"index":0}],${HEAD}}\n\n`
  return frame('y'.repeat(Math.max(0, EVENT_BYTES - frame('').length)))
}

const FINISH = `data: {"id":"chatcmpl-bench","choices":[{"delta":{},"finish_reason":"stop","index":0}],${HEAD},"object":"chat.completion.chunk",${USAGE}}\n\n`
const DONE = 'data: [DONE]\n\n'

const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** The pieces of a stream of `events` events, the finish event included: each is one write. */
export type StreamPieces = readonly Buffer[]

/** One write an event. */
export function singlePieces(events: number): StreamPieces {
  const content = Buffer.from(chunk(contentEvent()))
  const pieces = Array.from({ length: events - 1 }, () => content)
  return [STREAM_HEAD, ...pieces, Buffer.from(`${chunk(FINISH)}${chunk(DONE)}0\r\n\r\n`)]
}

/** As much as fits into a write of `bytes`: how a fast upstream looks behind a proxy that batches. */
export function bulkPieces(events: number, bytes: number): StreamPieces {
  const perChunk = Math.max(1, Math.floor(bytes / EVENT_BYTES))
  const event = contentEvent()
  const pieces: Buffer[] = []
  for (let left = events - 1; left > 0; left -= perChunk) {
    pieces.push(Buffer.from(chunk(event.repeat(Math.min(left, perChunk)))))
  }
  return [STREAM_HEAD, ...pieces, Buffer.from(`${chunk(FINISH)}${chunk(DONE)}0\r\n\r\n`)]
}
