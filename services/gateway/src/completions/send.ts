import type { Generation } from '@loopgate/generations'
import type { FastifyReply } from 'fastify'
import { replyHeaders } from './reply-headers.ts'

/** Last stage: gives the answer to the caller. From the headers of a stream on, Fastify is out of it. */
export function send(generation: Generation, reply: FastifyReply): void {
  const { content } = generation
  void reply.headers(replyHeaders(generation))
  if (content.kind === 'document') {
    void reply.type('application/json; charset=utf-8').send(content.bytes)
    return
  }

  reply.hijack()
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    // nginx would else hold a stream back until 16 KB have gathered.
    'x-accel-buffering': 'no',
  })
  // Headers go out with the first event, or at once if that is still to come: clients wait for them.
  if (!content.pipe(reply.raw)) reply.raw.flushHeaders()
}
