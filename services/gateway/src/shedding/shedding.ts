import { PRIORITY_HEADER } from '@loopgate/contracts'
import { createTally, fault, Gauge, type Registry } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Pressure } from './pressure.ts'

export type Shedding = {
  readonly pressure: Pressure
  /** Bodies under way; counted here. */
  readonly bodies: { bytes: number }
}

/** Smaller bodies are not counted: ten thousand of them at once are nothing beside what else a request takes. */
const COUNTED_BYTES = 4 * 1024
/** Advice to those who are refused: a second, and up to another so that they do not come back together. */
const RETRY_MS = 1_000

/**
 * Refuses work while the replica has too much of it, before it knows who asks and before a body is
 * read: a refusal costs a fraction of the work. Health, metrics, reading and administration stay.
 */
export const shedding = fp<{ shedding: Shedding; registry: Registry }>(
  async (app, { shedding: { pressure, bodies }, registry }) => {
    const refused = createTally(registry, {
      name: 'loopgate_shed_requests_total',
      help: 'Requests refused since the replica had too much work, by the stage it was in',
      labelNames: ['stage'],
    })
    const level: Gauge = new Gauge({
      name: 'loopgate_pressure_ratio',
      help: 'The largest of event-loop delay, heap and bodies under way, as a share of its limit',
      registers: [registry],
      collect: () => level.set(pressure.level()),
    })

    app.addHook('onRequest', (request, reply, done) => {
      if (!isWork(request)) return done()
      const stage = pressure.stage()
      if (stage !== 'none') {
        // A connection that closes is opened anew, perhaps to a replica that has less to do.
        reply.header('connection', 'close')
        const isBatch = request.headers[PRIORITY_HEADER] === 'batch'
        if (stage === 'all' || (stage === 'batch' && isBatch)) {
          refused.add(1, stage)
          return done(fault('LG_OVERLOADED', { retryAfterMs: RETRY_MS * (1 + Math.random()) }))
        }
      }
      const bytes = Number(request.headers['content-length'] ?? 0)
      if (bytes >= COUNTED_BYTES) {
        bodies.bytes += bytes
        reply.raw.once('close', () => (bodies.bytes -= bytes))
      }
      done()
    })
    app.addHook('onClose', async () => pressure.close())
  },
  { name: 'shedding' },
)

const WORK: ReadonlySet<string> = new Set(['complete', 'execute', 'loops'])

/** What makes work: completions, executions and loops, not reading and administration. */
function isWork({ method, routeOptions: { config } }: FastifyRequest): boolean {
  return method === 'POST' && config.scope !== undefined && WORK.has(config.scope)
}
