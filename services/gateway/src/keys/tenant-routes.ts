import { tenantListSchema, tenantSettingsSchema, tenantViewSchema, usageViewSchema } from '@loopgate/contracts'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { BODY_REFUSED, KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import type { KeyServices } from './key-services.ts'
import { actor } from './routes.ts'

const REFUSALS = [...KEY_REFUSED, 'LG_STORE_UNAVAILABLE'] as const
const params = z.strictObject({
  tenant: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'expected the name of a tenant'),
})

/** `/api/tenants`: limits that all keys of a tenant share. All need the scope admin. */
export function tenantRoutes(app: App, { keys }: { keys: KeyServices }): void {
  const { administration, limiter } = keys
  const config = { scope: 'admin' } as const
  const common = { tags: ['keys'], security: NEEDS_KEY }

  app.get(
    '/tenants',
    {
      config,
      schema: {
        ...common,
        summary: 'List tenants that have limits',
        response: { 200: tenantListSchema, ...problems(...REFUSALS) },
      },
    },
    async () => ({ tenants: await administration.tenants() }),
  )

  app.put(
    '/tenants/:tenant',
    {
      config,
      schema: {
        ...common,
        summary: 'Set the limits of a tenant',
        description: 'They hold for all its keys together, beside those of each key, on every replica within a second.',
        params,
        body: tenantSettingsSchema,
        response: {
          200: tenantViewSchema,
          ...problems(...REFUSALS, ...BODY_REFUSED, 'LG_CONFLICT'),
        },
      },
    },
    ({ principal, params: { tenant }, body }) => administration.setTenant(actor(principal), tenant, body.limits),
  )

  app.get(
    '/tenants/:tenant',
    {
      config,
      schema: {
        ...common,
        summary: 'Show the limits of a tenant',
        params,
        response: { 200: tenantViewSchema, ...problems(...REFUSALS, 'LG_BAD_REQUEST', 'LG_NOT_FOUND') },
      },
    },
    ({ params: { tenant } }) => administration.tenant(tenant),
  )

  app.delete(
    '/tenants/:tenant',
    {
      config,
      schema: {
        ...common,
        summary: 'Take the limits of a tenant away',
        params,
        response: { 204: z.null(), ...problems(...REFUSALS, 'LG_BAD_REQUEST', 'LG_NOT_FOUND', 'LG_CONFLICT') },
      },
    },
    async ({ principal, params: { tenant } }, reply) => {
      await administration.removeTenant(actor(principal), tenant)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/tenants/:tenant/usage',
    {
      config,
      schema: {
        ...common,
        summary: 'What a tenant has used and holds',
        params,
        response: { 200: usageViewSchema, ...problems(...REFUSALS, 'LG_BAD_REQUEST') },
      },
    },
    ({ params: { tenant } }) => limiter.usage(tenant, null),
  )
}
