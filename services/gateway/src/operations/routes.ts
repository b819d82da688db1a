import { z } from 'zod'
import type { App } from '../app-type.ts'
import type { Services } from '../services.ts'

export type OperationsDeps = Pick<Services, 'registry' | 'drain' | 'generations' | 'loopsStatus' | 'hub'>

const storeSchema = z.enum(['none', 'up', 'down'])
const readinessSchema = z.object({
  ready: z.boolean(),
  cache: storeSchema.describe('Redis of the cache; for information: completions are answered without it too'),
  loops: storeSchema.describe('Redis of the loops; for information'),
  runners: z.int().describe('Runners attached to this replica; for information'),
})

/** What keeps the gateway running looks at these. All are open; /metrics names the tenants, so keep it off the internet. */
export function operationsRoutes(app: App, { registry, drain, generations, loopsStatus, hub }: OperationsDeps): void {
  const config = { open: true } as const
  const tags = ['operations']

  app.get(
    '/healthz',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        tags,
        summary: 'Whether the process lives',
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    () => ({ status: 'ok' as const }),
  )

  app.get(
    '/readyz',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        tags,
        summary: 'Whether this replica should get requests',
        description: '503 once the process is shutting down. Never depends on Redis or the upstream.',
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    (_request, reply) => {
      const body = {
        ready: !drain.started,
        cache: generations.cacheStatus(),
        loops: loopsStatus(),
        runners: hub.size(),
      }
      void reply.code(body.ready ? 200 : 503)
      return body
    },
  )

  app.get(
    '/metrics',
    {
      config,
      schema: {
        tags,
        summary: 'Metrics in the Prometheus text format',
        response: { 200: { description: 'Prometheus text', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) =>
      reply
        .type(registry.contentType)
        .serializer(String)
        .send(await registry.metrics()),
  )

  app.get(
    '/openapi.json',
    {
      config,
      schema: {
        tags,
        summary: 'This document',
        response: { 200: z.record(z.string(), z.unknown()) },
      },
    },
    () => app.swagger() as unknown as Record<string, unknown>,
  )
}
