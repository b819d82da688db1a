import type { FastifyReply } from 'fastify'

/** Aborted when the connection of the reply has closed, be it because the caller has left. */
export function departure(reply: FastifyReply): AbortSignal {
  const left = new AbortController()
  // The response closes when the caller leaves; the request closes as soon as its body is read.
  reply.raw.once('close', () => left.abort())
  return left.signal
}
