import type { Clock } from '@loopgate/service-kit'
import Fastify, { type FastifyInstance } from 'fastify'
import { completionRoutes } from './completions/routes.ts'
import type { SimulatorConfig } from './config.ts'
import { controlRoutes } from './control/routes.ts'
import { createStats } from './control/stats.ts'
import { createFaultStore } from './faults/store.ts'
import { createAuthenticator } from './http/auth.ts'
import { modelRoutes } from './models/routes.ts'

export { DEFAULT_CONFIG, type SimulatorConfig } from './config.ts'
export type { Stats } from './control/stats.ts'
export type { FaultSpec } from './faults/spec.ts'

/**
 * The Cerebras API, simulated: models, chat and text completions, errors, rate limits and faults.
 * Closing it drops open streams. It does not listen by itself.
 */
export function createSimulator(config: SimulatorConfig, { clock }: { readonly clock: Clock }): FastifyInstance {
  const app = Fastify({ logger: false, forceCloseConnections: true, exposeHeadRoutes: false })
  const stats = createStats()
  const faults = createFaultStore(config.faults)
  const authenticate = createAuthenticator(config.keys)

  app.get('/healthz', () => ({ status: 'ok' }))
  void app.register(async (scope) => controlRoutes(scope, { stats, faults }))
  void app.register(async (scope) => modelRoutes(scope, { authenticate }))
  void app.register(async (scope) => completionRoutes(scope, { clock, authenticate, faults, stats }, config))

  // An unrouted path of the real API: 404, no byte of a body, text/plain (probed 2026-09-13).
  app.setNotFoundHandler((_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(404, { 'content-type': 'text/plain', 'content-length': '0' }).end()
  })
  return app
}
