import {
  auditPageSchema,
  keyChangeSchema,
  keyListSchema,
  keyViewSchema,
  keyWithSecretSchema,
  newKeySchema,
  type Principal,
  rotationSchema,
  usageViewSchema,
} from '@loopgate/contracts'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { BODY_REFUSED, KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import type { KeyServices } from './key-services.ts'

const REFUSALS = [...KEY_REFUSED, 'LG_STORE_UNAVAILABLE'] as const

const params = z.strictObject({ id: z.string().max(100) })
const listQuery = z.strictObject({ tenant: z.string().max(63).optional().describe('Only keys of this tenant') })
const auditQuery = z.strictObject({
  after: z
    .string()
    .regex(/^\d{1,16}-\d{1,10}$/, 'expected the id of an entry')
    .optional()
    .describe('Id of the last entry of the page before'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

/** Who does something, as the audit says it. */
export const actor = ({ tenant, name }: Principal): string => `${tenant}/${name}`

/** `/api/keys` and `/api/audit`: keys of the installation and what was done to them. All need the scope admin. */
export function keyRoutes(app: App, { keys }: { keys: KeyServices }): void {
  const { administration, limiter } = keys
  const config = { scope: 'admin' } as const
  const common = { tags: ['keys'], security: NEEDS_KEY }

  app.post(
    '/keys',
    {
      config,
      schema: {
        ...common,
        summary: 'Make an API key',
        description: 'The secret is in this reply and nowhere else: only its SHA-256 is kept.',
        body: newKeySchema,
        response: { 201: keyWithSecretSchema, ...problems(...REFUSALS, ...BODY_REFUSED) },
      },
    },
    async ({ principal, body }, reply) => reply.code(201).send(await administration.create(actor(principal), body)),
  )

  app.get(
    '/keys',
    {
      config,
      schema: {
        ...common,
        summary: 'List API keys, the oldest first',
        querystring: listQuery,
        response: { 200: keyListSchema, ...problems(...REFUSALS, 'LG_BAD_REQUEST') },
      },
    },
    async ({ query }) => ({ keys: await administration.list(query.tenant ?? null) }),
  )

  app.get(
    '/keys/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Show an API key',
        params,
        response: { 200: keyViewSchema, ...problems(...REFUSALS, 'LG_NOT_FOUND') },
      },
    },
    ({ params: { id } }) => administration.get(id),
  )

  app.patch(
    '/keys/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Change what an API key may do',
        description: 'What is absent stays; null takes an optional member away. Every replica follows within a second.',
        params,
        body: keyChangeSchema,
        response: { 200: keyViewSchema, ...problems(...REFUSALS, ...BODY_REFUSED, 'LG_NOT_FOUND', 'LG_CONFLICT') },
      },
    },
    ({ principal, params: { id }, body }) => administration.change(actor(principal), id, body),
  )

  app.post(
    '/keys/:id/rotate',
    {
      config,
      schema: {
        ...common,
        summary: 'Give an API key a new secret',
        description: 'The old secret goes on working for the overlap; 0 ends it at once.',
        params,
        body: rotationSchema,
        response: {
          200: keyWithSecretSchema,
          ...problems(...REFUSALS, ...BODY_REFUSED, 'LG_NOT_FOUND', 'LG_CONFLICT'),
        },
      },
    },
    ({ principal, params: { id }, body }) => administration.rotate(actor(principal), id, body.overlapSeconds),
  )

  app.delete(
    '/keys/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Revoke an API key for good',
        description: 'It stays in the list. Every replica refuses it within a second.',
        params,
        response: { 200: keyViewSchema, ...problems(...REFUSALS, 'LG_NOT_FOUND', 'LG_CONFLICT') },
      },
    },
    ({ principal, params: { id } }) => administration.revoke(actor(principal), id),
  )

  app.get(
    '/keys/:id/usage',
    {
      config,
      schema: {
        ...common,
        summary: 'What an API key has used and holds',
        params,
        response: { 200: usageViewSchema, ...problems(...REFUSALS, 'LG_NOT_FOUND') },
      },
    },
    async ({ params: { id } }) => {
      const { tenant } = await administration.get(id)
      return await limiter.usage(tenant, id)
    },
  )

  app.get(
    '/audit',
    {
      config,
      schema: {
        ...common,
        summary: 'What was done to keys and tenants, the oldest first',
        querystring: auditQuery,
        response: { 200: auditPageSchema, ...problems(...REFUSALS, 'LG_BAD_REQUEST') },
      },
    },
    async ({ query: { after, limit } }) => {
      const entries = await administration.audit(after ?? null, limit)
      return { entries, next: entries.length < limit ? null : (entries.at(-1)?.id ?? null) }
    },
  )
}
