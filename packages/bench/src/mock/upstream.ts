// A mock upstream as a process of its own: raw HTTP/1.1 over node:net, so that it costs a fraction
// of any gateway. What a caller gets is steered by fields of the body, because some gateways forward
// no header: `stream`, the number of events by the output cap, one write an event by `top_p` 0.5, the pace
// of the provider by 0.25. Prints its port once it listens.
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { bulkPieces, EVENT_BYTES, jsonReply, singlePieces, type StreamPieces } from './bodies.ts'
import { createRequestReader, type ReadRequest } from './request-reader.ts'

/** Largest write of a bulk stream. */
const BULK_BYTES = 64 * 1024
/**
 * The provider's pace: 2,500 tokens a second in chunks of 1 to 10 tokens, several chunks a write. Here two
 * tokens a chunk, five chunks a write, so a write each 4 ms.
 */
const PACE = { bytes: 5 * EVENT_BYTES, everyMs: 4 }
const JSON_REPLY = jsonReply()
const MODELS = listReply('{"object":"list","data":[{"id":"gpt-oss-120b","object":"model","created":0,"owned_by":"x"}]}')
const streams = new Map<string, StreamPieces>()

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.on(
    'data',
    createRequestReader((request) => answer(socket, request)),
  )
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})

function answer(socket: Socket, { line, body }: ReadRequest): void {
  if (!line.startsWith('POST')) socket.write(MODELS)
  else if (body.includes('"stream":true')) stream(socket, body)
  else socket.write(JSON_REPLY)
}

function stream(socket: Socket, body: Buffer): void {
  const text = body.toString('latin1')
  const events = Number(/"max_(?:completion_)?tokens":(\d+)/.exec(text)?.[1] ?? 500)
  if (text.includes('"top_p":0.5')) writeOneATurn(socket, piecesOf('single', events), 0)
  else if (text.includes('"top_p":0.25')) writeAtPace(socket, piecesOf('paced', events), 0)
  else for (const piece of piecesOf('bulk', events)) socket.write(piece)
}

function piecesOf(how: 'single' | 'paced' | 'bulk', events: number): StreamPieces {
  const key = `${how} ${events}`
  const made = () =>
    how === 'single' ? singlePieces(events) : bulkPieces(events, how === 'bulk' ? BULK_BYTES : PACE.bytes)
  const pieces = streams.get(key) ?? made()
  streams.set(key, pieces)
  return pieces
}

/** A stream that falls behind its pace, since this process is busy, goes on at the pace from there. */
function writeAtPace(socket: Socket, pieces: StreamPieces, at: number): void {
  const piece = pieces[at]
  if (!piece || socket.destroyed) return
  socket.write(piece)
  setTimeout(writeAtPace, PACE.everyMs, socket, pieces, at + 1)
}

/** One event of every stream a turn of the loop, so that many streams advance together. */
function writeOneATurn(socket: Socket, pieces: StreamPieces, at: number): void {
  const piece = pieces[at]
  if (!piece || socket.destroyed) return
  const next = () => setImmediate(writeOneATurn, socket, pieces, at + 1)
  if (socket.write(piece)) next()
  else socket.once('drain', next)
}

function listReply(body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}
