import type { FastifyInstance } from 'fastify'
import { explainFault, readFaults } from '../faults/spec.ts'
import type { FaultStore } from '../faults/store.ts'
import type { StatsRecorder } from './stats.ts'

/**
 * What no real API has: `/__sim/stats`, `/__sim/faults`, `/__sim/reset`. They ask for no key: the
 * simulator is for loopback and private networks.
 */
export function controlRoutes(
  app: FastifyInstance,
  { stats, faults }: { readonly stats: StatsRecorder; readonly faults: FaultStore },
): void {
  app.setErrorHandler((error, _request, reply) => {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    const message = status < 500 && error instanceof Error ? error.message : 'The simulator failed'
    return reply.code(status).send({ error: { message, issues: [] } })
  })

  app.get('/__sim/stats', () => stats.read())

  app.post('/__sim/reset', () => {
    stats.reset()
    return stats.read()
  })

  app.get('/__sim/faults', () => ({ faults: faults.list() }))

  app.post('/__sim/faults', (request, reply) => {
    const checked = readFaults(request.body)
    if (!checked.success) {
      const issues = explainFault(checked.error)
      return reply.code(400).send({ error: { message: 'The body is not a fault or a list of faults', issues } })
    }
    faults.add(checked.data)
    return { faults: faults.list() }
  })

  app.delete('/__sim/faults', () => {
    faults.clear()
    return { faults: faults.list() }
  })
}
