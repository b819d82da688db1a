import { NORMALISED_HEADER, type Surface } from '@loopgate/contracts'
import type { Generations, Ticket } from '@loopgate/generations'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { normalise } from './normalise/normalise.ts'
import { readWishes } from './request-headers.ts'
import { send } from './send.ts'

/** Answers a completion that the door has authenticated and validated. Faults go to the scope's error handler. */
export function complete(
  generations: Generations,
  surface: Surface,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  answer(generations, surface, request, reply).catch((error: unknown) => reply.send(error))
}

/** The stages, in order: wishes of the headers, normalising, the generation, sending. */
async function answer(
  generations: Generations,
  surface: Surface,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const body = request.body as Record<string, unknown>
  const wishes = readWishes(request.headers)
  const normalised = normalise(surface, body, wishes.strict)
  if (normalised.length > 0) void reply.header(NORMALISED_HEADER, normalised.join(', '))

  const ticket = generations.generate({
    surface,
    tenant: request.principal.tenant,
    body,
    bytes: normalised.length === 0 ? request.rawBody : null,
    sampleIndex: wishes.sampleIndex,
    freshness: wishes.freshness,
    headers: wishes.forwarded,
  })
  leaveWithCaller(ticket, reply)
  send(await ticket.ready, reply)
}

/**
 * A caller that goes away gives up its seat. Its leaving shows only here: the request closes as soon
 * as its body has been read.
 */
function leaveWithCaller(ticket: Ticket, { raw }: FastifyReply): void {
  if (raw.destroyed) return ticket.leave()
  raw.once('close', () => {
    if (!raw.writableFinished) ticket.leave()
  })
}
