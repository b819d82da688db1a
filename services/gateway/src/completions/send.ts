import type { Generation } from '@loopgate/generations'
import { atEndOfTurn } from '@loopgate/service-kit'
import type { FastifyReply } from 'fastify'
import { replyHeaders } from './reply-headers.ts'

/**
 * Last stage: gives the answer to the caller. From here on Fastify is out of it, for a stream because
 * it holds headers back until there is a body, for a document because nothing is left to be done.
 */
export function send(generation: Generation, reply: FastifyReply): void {
  const { content } = generation
  reply.hijack()
  const { raw } = reply
  const headers = { ...(reply.getHeaders() as Record<string, string>), ...replyHeaders(generation) }
  if (content.kind === 'document') {
    headers['content-type'] = 'application/json; charset=utf-8'
    headers['content-length'] = String(content.bytes.length)
    raw.writeHead(200, headers)
    atEndOfTurn(() => raw.end(content.bytes))
    return
  }
  headers['content-type'] = 'text/event-stream; charset=utf-8'
  // nginx would else hold a stream back until 16 KB have gathered.
  headers['x-accel-buffering'] = 'no'
  raw.writeHead(200, headers)
  // Headers go out with the first event, or at once if that is still to come: clients wait for them.
  if (!content.pipe(raw)) raw.flushHeaders()
}
