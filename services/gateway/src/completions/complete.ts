import { NORMALISED_HEADER, type Principal, prioritySchema, type Surface } from '@loopgate/contracts'
import type { Cost, GenerationCall, Generations, Scheduling, Ticket } from '@loopgate/generations'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Admission } from './admit.ts'
import { bad } from '../header-values.ts'
import { type Order, readWishes, type Wishes } from './request-headers.ts'
import type { Reader } from './reading.ts'
import { send } from './send.ts'

export type CompleteDeps = {
  readonly generations: Generations
  readonly admission: Admission
  readonly read: Reader
}

/** Answers a completion whose caller the door has authenticated. Faults go to the scope's error handler. */
export function complete(deps: CompleteDeps, surface: Surface, request: FastifyRequest, reply: FastifyReply): void {
  answer(deps, surface, request, reply).catch((error: unknown) => reply.send(error))
}

/** A generation call from what the door has read. */
export function callOf(
  surface: Surface,
  principal: Principal,
  body: GenerationCall['body'],
  original: GenerationCall['original'],
  wishes: Wishes,
): GenerationCall {
  const { tenant } = principal
  const { sampleIndex, freshness, sharing, delivery, timeoutSeconds, forwarded: headers } = wishes
  const scheduling = schedulingOf(wishes.order, principal)
  return {
    surface,
    tenant,
    body,
    original,
    sampleIndex,
    freshness,
    sharing,
    delivery,
    scheduling,
    timeoutSeconds,
    headers,
  }
}

/** A call on behalf of a loop is one of its class unless it says otherwise; the key's ceiling holds for all. */
function schedulingOf({ loop, priority, deadlineMs, outputCap }: Order, principal: Principal): Scheduling {
  const { keyId, priorityCeiling = 'interactive' } = principal
  const classes = prioritySchema.options
  const asked = classes.indexOf(priority ?? (loop === null ? 'interactive' : 'loop'))
  return {
    priority: classes[Math.max(asked, classes.indexOf(priorityCeiling))] ?? 'batch',
    flow: loop === null ? `key ${keyId}` : `loop ${loop}`,
    key: `key ${keyId}`,
    deadlineMs,
    capsOutput: (outputCap ?? principal.outputCap ?? 'learnt') === 'learnt',
  }
}

/** The stages, in order: wishes of the headers, reading the body, admission, the generation, sending. */
async function answer(
  { generations, admission, read }: CompleteDeps,
  surface: Surface,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { principal } = request
  const { tenant } = principal
  const wishes = readWishes(request.headers, principal.cache)
  const reading = read(surface, tenant, request.body as Buffer | undefined, wishes.strict)
  const { body, normalised, bytes, digest } = reading
  if (wishes.delivery.resume !== null && body['stream'] !== true) throw bad('last-event-id', 'only with stream: true')
  if (normalised.length > 0) void reply.header(NORMALISED_HEADER, normalised.join(', '))

  const asked = admission.admit(principal, reading)
  const room = asked instanceof Promise ? await asked : asked
  const settled = (cost: Cost) => room.settle(admission.used(reading, cost))

  const original = normalised.length === 0 ? { bytes, digest } : null
  const ticket = generations.generate({ ...callOf(surface, principal, body, original, wishes), settled })
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
