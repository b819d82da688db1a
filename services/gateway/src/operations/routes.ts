import type { Registry } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import type { RunnerHub } from '../runners/hub.ts'
import type { Drain } from './drain.ts'

export type OperationsDeps = {
  readonly registry: Registry
  readonly drain: Drain
  /** State of the connection to Redis as its client words it; `none` without one. */
  readonly redisStatus: () => string
  readonly hub: RunnerHub
}

const readinessSchema = z.object({
  ready: z.boolean(),
  redis: z.string().describe('For information: completions are answered without Redis too'),
  runners: z.int().describe('For information: runners attached to this replica'),
})

/** What keeps the gateway running looks at these. All are open: they tell nothing about a tenant. */
export function operationsRoutes(app: App, { registry, drain, redisStatus, hub }: OperationsDeps): void {
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
      const body = { ready: !drain.started, redis: redisStatus(), runners: hub.size() }
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
