import fastify from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { App } from './app-type.ts'
import { cacheRoutes } from './cache/routes.ts'
import { completionsRoutes } from './completions/routes.ts'
import { openaiShape, problemShape } from './errors/bodies.ts'
import { notFound } from './errors/not-found.ts'
import { errorShape } from './errors/scope.ts'
import { batchRoutes } from './executions/batch-routes.ts'
import { asyncExecutionRoutes } from './executions/async/routes.ts'
import { executionRoutes } from './executions/routes.ts'
import { httpOptions } from './http-options.ts'
import { eventRoutes } from './loops/event-routes.ts'
import { keyRoutes } from './keys/routes.ts'
import { tenantRoutes } from './keys/tenant-routes.ts'
import { loopRoutes } from './loops/routes.ts'
import { modelsRoutes } from './models/routes.ts'
import { operationsRoutes } from './operations/routes.ts'
import { auth } from './plugins/auth.ts'
import { expectContinue } from './plugins/expect-continue.ts'
import { swagger } from './plugins/external/swagger.ts'
import { websocket } from './plugins/external/websocket.ts'
import { graceful } from './plugins/graceful.ts'
import { httpMetrics } from './plugins/http-metrics.ts'
import { jsonBody } from './plugins/json-body.ts'
import { requestIdHeader } from './plugins/request-id.ts'
import { zodValidation } from './plugins/validation.ts'
import { announce } from './replicas/announce.ts'
import { flightRoutes } from './replicas/routes.ts'
import { runnerRoutes } from './runners/routes.ts'
import type { Services } from './services.ts'
import { shedding } from './shedding/shedding.ts'

/** The HTTP application. The order of registration is its table of contents. */
export async function buildApp(services: Services): Promise<App> {
  const app = fastify(httpOptions(services.logger)).withTypeProvider<ZodTypeProvider>()

  await swagger(app)
  await websocket(app)

  await app.register(notFound)
  await app.register(httpMetrics, services)
  await app.register(requestIdHeader)
  await app.register(shedding, services)
  await app.register(auth, services)
  await app.register(expectContinue)
  await app.register(jsonBody)
  await app.register(graceful, services)
  await app.register(announce, services)

  await app.register(async (scope: App) => {
    errorShape(scope, openaiShape)
    zodValidation(scope)
    operationsRoutes(scope, services)
    flightRoutes(scope, services)
  })

  await app.register(
    async (scope: App) => {
      errorShape(scope, problemShape)
      zodValidation(scope)
      executionRoutes(scope, services)
      batchRoutes(scope, services)
      asyncExecutionRoutes(scope, services)
      runnerRoutes(scope, services)
      loopRoutes(scope, services)
      eventRoutes(scope, services)
      cacheRoutes(scope, services)
      keyRoutes(scope, services)
      tenantRoutes(scope, services)
    },
    { prefix: '/api' },
  )

  // The Cerebras SDK adds `/v1` itself, other clients want it in their base URL: both find the routes.
  for (const prefix of ['/v1', '']) {
    await app.register(
      async (scope: App) => {
        errorShape(scope, openaiShape)
        zodValidation(scope)
        await scope.register(async (inner: App) => completionsRoutes(inner, services))
        await modelsRoutes(scope, services)
      },
      { prefix },
    )
  }

  return app
}
