import {
  cacheEntrySchema,
  cacheStatisticsSchema,
  chatCompletionRequestSchema,
  explainRequestSchema,
  explanationSchema,
  purgedSchema,
  textCompletionRequestSchema,
  verdictRecordSchema,
  verdictRequestSchema,
  type Principal,
} from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { allows } from '../auth/authenticator.ts'
import { KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import { refusal } from '../plugins/validation.ts'
import type { Services } from '../services.ts'
import { explain } from './explain.ts'

/** As of a completion: an explanation takes the same body. */
const EXPLAIN_LIMIT_BYTES = 16 * 1024 * 1024
/** What all tenants share; no tenant can be named so. */
const SHARED = '*'

const keySchema = z.object({ key: z.string().describe('As `x-loopgate-key` gave it') })
const purgeQuery = z.strictObject({
  tenant: z
    .string()
    .max(63)
    .optional()
    .describe('With the scope admin: another tenant, or * for what all tenants share'),
})

const common = { tags: ['cache'], security: NEEDS_KEY }

/** `/api/cache`: what is stored, why, and how to be rid of it. */
export function cacheRoutes(app: App, { generations, keys }: Pick<Services, 'generations' | 'keys'>): void {
  const { cache } = generations
  const config = { scope: 'complete' } as const

  app.get(
    '/cache',
    {
      config,
      schema: {
        ...common,
        summary: 'What tenants got from the cache, by model',
        description:
          'The tenant of the key; with the scope admin all tenants. Counted over all replicas since the last purge, a second late at most.',
        response: { 200: cacheStatisticsSchema, ...problems(...KEY_REFUSED, 'LG_STORE_UNAVAILABLE') },
      },
    },
    async ({ principal }) => {
      const asked = allows(principal, 'admin') ? keys.tenants() : [principal.tenant]
      return {
        tenants: await Promise.all(asked.map(async (tenant) => ({ tenant, models: await cache.statistics(tenant) }))),
      }
    },
  )

  app.delete(
    '/cache',
    {
      config,
      schema: {
        ...common,
        summary: 'Void everything that is stored for a tenant',
        description: 'In constant time, however much it is. Reaches every replica within a second.',
        querystring: purgeQuery,
        response: { 200: purgedSchema, ...problems(...KEY_REFUSED, 'LG_BAD_REQUEST', 'LG_STORE_UNAVAILABLE') },
      },
    },
    async ({ principal, query: { tenant = principal.tenant } }) => {
      if (tenant !== principal.tenant && !allows(principal, 'admin')) {
        throw fault('LG_FORBIDDEN', { message: 'Another tenant needs the scope admin' })
      }
      if (tenant !== SHARED && !keys.tenants().includes(tenant)) {
        throw fault('LG_BAD_REQUEST', { message: 'tenant: there is no such tenant', param: 'tenant' })
      }
      return { tenant, namespace: await cache.purge(tenant) }
    },
  )

  app.get(
    '/cache/:key',
    {
      config,
      schema: {
        ...common,
        summary: 'What is known of a stored answer',
        params: keySchema,
        response: { 200: cacheEntrySchema, ...problems(...KEY_REFUSED, 'LG_NOT_FOUND') },
      },
    },
    ({ principal, params }) => cache.entry(asker(principal), params.key),
  )

  app.delete(
    '/cache/:key',
    {
      config,
      schema: {
        ...common,
        summary: 'Delete a stored answer',
        description: 'Reaches every replica within a second.',
        params: keySchema,
        response: { 204: z.null(), ...problems(...KEY_REFUSED, 'LG_NOT_FOUND', 'LG_STORE_UNAVAILABLE') },
      },
    },
    async ({ principal, params }, reply) => {
      await cache.remove(asker(principal), params.key)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/cache/:key/verdict',
    {
      config,
      schema: {
        ...common,
        summary: 'Say whether a stored answer is good',
        description:
          '`x-loopgate-sample: best` serves only answers whose verdict is pass. A later verdict replaces an earlier one.',
        params: keySchema,
        body: verdictRequestSchema,
        response: {
          200: verdictRecordSchema,
          ...problems(...KEY_REFUSED, 'LG_BAD_REQUEST', 'LG_BAD_JSON', 'LG_MEDIA_TYPE', 'LG_NOT_FOUND'),
        },
      },
    },
    ({ principal, params, body }) => cache.judge(asker(principal), params.key, body),
  )

  app.post(
    '/cache/explain',
    {
      config,
      bodyLimit: EXPLAIN_LIMIT_BYTES,
      schema: {
        ...common,
        summary: 'Why a request is, or is not, answered from the cache',
        description: 'Nothing is generated, given out or changed.',
        body: explainRequestSchema,
        response: {
          200: explanationSchema,
          ...problems(
            ...KEY_REFUSED,
            'LG_BAD_REQUEST',
            'LG_BAD_JSON',
            'LG_FIELD_REFUSED',
            'LG_NOT_FOUND',
            'LG_TOO_LARGE',
            'LG_MEDIA_TYPE',
          ),
        },
      },
    },
    ({ principal, body }) => {
      const schema = body.surface === 'chat' ? chatCompletionRequestSchema : textCompletionRequestSchema
      const read = schema.safeParse(body.body)
      if (!read.success) throw refusal(read.error.issues, ['body'])
      const compareWith = body.compareWith ?? null
      return explain(cache, principal, { ...body, body: read.data, compareWith })
    },
  )
}

const asker = (principal: Principal) => ({ tenant: principal.tenant, admin: allows(principal, 'admin') })
