import swaggerPlugin from '@fastify/swagger'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { App } from '../../app-type.ts'
import { nameSchemas, withoutUnused } from '../../openapi/components.ts'

/**
 * Collects the OpenAPI 3.1 document from the zod schemas of the routes.
 * https://github.com/fastify/fastify-swagger
 */
export async function swagger(app: App): Promise<void> {
  nameSchemas()
  await app.register(swaggerPlugin, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Loopgate',
        version: '0.1.0',
        description:
          'Self-hosted inference gateway in front of Cerebras. `/v1` speaks the OpenAI shape, also without the prefix; `/api` is its own.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: [
        { name: 'completions', description: 'OpenAI shape' },
        { name: 'models', description: 'OpenAI shape' },
        { name: 'executions', description: 'Code run in sandboxes' },
        { name: 'loops', description: 'Goals with budgets' },
        { name: 'runners', description: 'Where executions run' },
        { name: 'operations', description: 'Health, metrics, this document' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'authorization: Bearer <API key>' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        },
      },
    },
    transform: (document) => {
      const { schema, url } = document
      const twin = !/^\/(?:v1|api|healthz|readyz|metrics|openapi)/.test(url)
      return twin ? { schema: { ...schema, hide: true }, url } : jsonSchemaTransform(document)
    },
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  })
}
