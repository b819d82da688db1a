import { PRIORITY_HEADER } from '@loopgate/contracts'
import { createTally, fault, observeGauge, type Registry } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Governor } from './governor.ts'
import type { Pressure } from './pressure.ts'

export type Shedding = {
  readonly pressure: Pressure
  readonly governor: Governor
  /** Bodies under way; counted here. */
  readonly bodies: { bytes: number }
  readonly close: () => void
}

/** Smaller bodies are not counted: ten thousand of them at once are nothing beside what else a request takes. */
const COUNTED_BYTES = 4 * 1024
/**
 * While a share is refused, one of so many connections closes: accepting new ones is what a late event
 * loop does worst (see doors.ts).
 */
const MOVED = 16
/** Advice to those who are refused: a second, and up to another so that they do not come back together. */
const RETRY_MS = 1_000

/**
 * Refuses work while the replica has too much of it, before it knows who asks and before a body is
 * read: a refusal costs a fraction of the work. Health, metrics, reading and administration stay.
 */
export const shedding = fp<{ shedding: Shedding; registry: Registry }>(
  async (app, { shedding: { pressure, governor, bodies, close }, registry }) => {
    const refused = createTally(registry, {
      name: 'loopgate_shed_requests_total',
      help: 'Requests refused by a replica that had too much work: all new work or batch work while memory is short, or a share of it while the event loop is late',
      labelNames: ['why'],
    })
    const level = {
      name: 'loopgate_pressure_ratio',
      help: 'The larger of heap and bodies under way, as a share of its limit',
    }
    observeGauge(registry, level, (gauge) => gauge.set(pressure.level()))
    const share = {
      name: 'loopgate_admitted_ratio',
      help: 'Share of new work that is taken on; below 1 while the event loop is late',
    }
    observeGauge(registry, share, (gauge) => gauge.set(governor.share()))

    let takenOn = 0
    app.addHook('onRequest', (request, reply, done) => {
      if (!isWork(request)) return done()
      const why = refusal(request)
      if (why !== null) {
        refused.add(1, why)
        return done(fault('LG_OVERLOADED', { retryAfterMs: RETRY_MS * (1 + Math.random()) }))
      }
      // A connection that closes is opened anew, perhaps to a replica that has less to do.
      const moves = governor.share() < 1 && ++takenOn % MOVED === 0
      if (pressure.stage() !== 'none' || moves) reply.header('connection', 'close')
      const bytes = Number(request.headers['content-length'] ?? 0)
      const counted = bytes >= COUNTED_BYTES ? bytes : 0
      bodies.bytes += counted
      reply.raw.once('close', () => {
        bodies.bytes -= counted
        governor.ended()
      })
      done()
    })
    app.addHook('onClose', async () => close())

    function refusal({ headers }: FastifyRequest): 'all' | 'batch' | 'share' | null {
      const stage = pressure.stage()
      const isBatch = headers[PRIORITY_HEADER] === 'batch'
      if (stage === 'all') return 'all'
      if (isBatch && (stage === 'batch' || governor.share() < 1)) return 'batch'
      return governor.admits() ? null : 'share'
    }
  },
  { name: 'shedding' },
)

const WORK: ReadonlySet<string> = new Set(['complete', 'execute', 'loops'])

/** What makes work: completions, executions and loops, not reading and administration. */
function isWork({ method, routeOptions: { config } }: FastifyRequest): boolean {
  return method === 'POST' && config.scope !== undefined && WORK.has(config.scope)
}
