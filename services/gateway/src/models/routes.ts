import type { Upstream } from '@loopgate/cerebras'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { NEEDS_KEY, openaiErrors } from '../openapi/responses.ts'

const modelSchema = z.looseObject({ id: z.string() })
const modelListSchema = z.looseObject({ object: z.literal('list'), data: z.array(modelSchema) })

/** `GET /models`, `GET /models/:id` and `GET /tcp_warming`, which the Cerebras SDK asks for when it is made. */
export async function modelsRoutes(app: App, { upstream }: { upstream: Pick<Upstream, 'models'> }): Promise<void> {
  const config = { scope: 'complete' } as const
  const tags = ['models']
  const errors = ['LG_NO_KEY', 'LG_WRONG_KEY', 'LG_FORBIDDEN', 'LG_UPSTREAM_ERROR', 'LG_UPSTREAM_UNREACHABLE'] as const

  app.get(
    '/models',
    {
      config,
      schema: {
        tags,
        summary: 'The models that the upstream offers, at most a minute old',
        security: NEEDS_KEY,
        response: { 200: modelListSchema, ...openaiErrors(...errors) },
      },
    },
    () => upstream.models.list(),
  )

  app.get(
    '/models/:id',
    {
      config,
      schema: {
        tags,
        summary: 'One model',
        security: NEEDS_KEY,
        params: z.object({ id: z.string() }),
        response: { 200: modelSchema, ...openaiErrors('LG_MODEL_NOT_FOUND', ...errors) },
      },
    },
    (request) => upstream.models.get(request.params.id),
  )

  app.get(
    '/tcp_warming',
    {
      config: { open: true },
      schema: { tags, summary: 'Opens a connection; says nothing', response: { 200: z.object({}) } },
    },
    () => ({}),
  )
}
