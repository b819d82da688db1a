import { loopEventSchema, TERMINAL_STATES } from '@loopgate/contracts'
import { Gauge, type Clock, type Registry } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import type { Drain } from '../operations/drain.ts'
import { pumpEvents } from './event-stream.ts'
import { need, type LoopServices } from './loop-services.ts'
import { idSchema, ownLoop } from './routes.ts'

const number = z.coerce.number().int().min(0)

const query = z.strictObject({ after: number.default(0).describe('Number of the last event already seen') })
const headers = z.looseObject({
  'last-event-id': number.optional().describe('As `after`, and stronger: what EventSource sends when it reconnects'),
})

export type EventRouteDeps = {
  readonly loops: LoopServices | null
  readonly drain: Drain
  readonly clock: Clock
  readonly registry: Registry
}

/** `GET /api/loops/{id}/events`: server-sent events, resumable from any number on any replica. */
export function eventRoutes(app: App, { loops, drain, clock, registry }: EventRouteDeps): void {
  const streams = new Gauge({
    name: 'loopgate_event_streams',
    help: 'Open event streams of loops',
    registers: [registry],
  })

  app.get(
    '/loops/:id/events',
    {
      config: { scope: 'loops' },
      schema: {
        tags: ['loops'],
        summary: 'Follow a loop (server-sent events)',
        description:
          '`id` is the number of the event, `event` its type, `data` the event as JSON. Ends after the event of a terminal state. 204 if the loop has ended and nothing comes after the number given.',
        security: NEEDS_KEY,
        params: idSchema,
        querystring: query,
        headers,
        response: {
          200: {
            description: 'The stream; the schema is that of each `data`',
            content: { 'text/event-stream': { schema: loopEventSchema } },
          },
          204: z.null().describe('The loop has ended and there is nothing more to come'),
          ...problems('LG_BAD_REQUEST', ...KEY_REFUSED, 'LG_NOT_FOUND', 'LG_STORE_UNAVAILABLE'),
        },
      },
    },
    async (request, reply) => {
      const { store } = need(loops)
      const { id, state, lastSeq } = await ownLoop(loops, request, request.params.id)
      const seq = Math.min(lastSeq, request.headers['last-event-id'] ?? request.query.after)
      if (TERMINAL_STATES.has(state) && seq === lastSeq) return reply.code(204).send(null)

      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      })
      // Fastify and Node hold headers back until the first bytes of a body.
      raw.flushHeaders()
      streams.inc()
      try {
        await pumpEvents({ store, drain, clock }, id, seq, raw)
      } catch (err) {
        request.log.warn({ err, loopId: id }, 'event stream cut; the reader can resume')
      } finally {
        streams.dec()
        raw.end()
      }
    },
  )
}
