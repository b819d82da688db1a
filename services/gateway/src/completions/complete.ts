import { NORMALISED_HEADER, type Surface } from '@loopgate/contracts'
import type { GenerationCall, Generations, Ticket } from '@loopgate/generations'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { normalise } from './normalise/normalise.ts'
import { bad } from './header-values.ts'
import { readWishes, type Wishes } from './request-headers.ts'
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

/** A generation call from what the door has read. */
export function callOf(
  surface: Surface,
  tenant: string,
  body: Record<string, unknown>,
  bytes: Buffer | null,
  wishes: Wishes,
): GenerationCall {
  const { sampleIndex, freshness, sharing, delivery, timeoutSeconds, forwarded: headers } = wishes
  return { surface, tenant, body, bytes, sampleIndex, freshness, sharing, delivery, timeoutSeconds, headers }
}

/** The stages, in order: wishes of the headers, normalising, the generation, sending. */
async function answer(
  generations: Generations,
  surface: Surface,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const body = request.body as Record<string, unknown>
  const { tenant, cache } = request.principal
  const wishes = readWishes(request.headers, cache)
  if (wishes.delivery.resume !== null && body['stream'] !== true) throw bad('last-event-id', 'only with stream: true')
  const normalised = normalise(surface, body, wishes.strict)
  if (normalised.length > 0) void reply.header(NORMALISED_HEADER, normalised.join(', '))

  const bytes = normalised.length === 0 ? request.rawBody : null
  const ticket = generations.generate(callOf(surface, tenant, body, bytes, wishes))
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
