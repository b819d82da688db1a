import { asyncExecutionSchema } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../../app-type.ts'
import { KEY_REFUSED, NEEDS_KEY, problems } from '../../openapi/responses.ts'
import type { AsyncExecutions } from './async-executions.ts'

const params = z.object({ id: z.string().min(1).max(100) })
const common = { tags: ['executions'], security: NEEDS_KEY, params }
const replies = {
  200: asyncExecutionSchema,
  ...problems('LG_BAD_REQUEST', ...KEY_REFUSED, 'LG_NOT_FOUND', 'LG_STORE_UNAVAILABLE'),
}

/** `/api/executions/{id}`: executions that were asked for with `prefer: respond-async`. */
export function asyncExecutionRoutes(app: App, deps: { asyncExecutions: AsyncExecutions | null }): void {
  const config = { scope: 'execute' } as const
  const need = (): AsyncExecutions => {
    if (deps.asyncExecutions === null) throw fault('LG_STORE_UNAVAILABLE', { message: 'LOOPGATE_REDIS_URL is not set' })
    return deps.asyncExecutions
  }

  app.get(
    '/executions/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Read an asynchronous execution',
        description: 'Its end is kept for as long as the operator says; after that it is 404.',
        response: replies,
      },
    },
    (request) => need().get(request.principal.tenant, request.params.id),
  )

  app.delete(
    '/executions/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Cancel an asynchronous execution',
        description: 'What waits is taken out of the queue, what runs is killed. One that has ended stays as it is.',
        response: replies,
      },
    },
    (request) => need().cancel(request.principal.tenant, request.params.id),
  )
}
