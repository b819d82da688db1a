import {
  auditPageSchema,
  keyListSchema,
  keyViewSchema,
  keyWithSecretSchema,
  tenantListSchema,
  tenantViewSchema,
  usageViewSchema,
} from '@loopgate/contracts'
import { type Call, json, type Transport } from './transport.ts'
import type { CallOptions, Client } from './types.ts'

/** The part of the client that makes keys and limits tenants; see Client. */
export function keysClient(transport: Transport): Pick<Client, 'keys' | 'tenants' | 'audit'> {
  const keyPath = (id: string, action = ''): string => `/api/keys/${encodeURIComponent(id)}${action}`
  const tenantPath = (tenant: string, action = ''): string => `/api/tenants/${encodeURIComponent(tenant)}${action}`

  /** Making or rotating a key twice would leave a secret that nobody knows. */
  const call = async <T>(
    method: Call['method'],
    path: string,
    parse: (value: unknown) => T,
    { signal }: CallOptions = {},
    body?: unknown,
  ): Promise<T> => {
    const repeatable = method !== 'POST'
    return json(await transport.send({ method, path, signal, repeatable, ...(body !== undefined && { body }) }), parse)
  }

  return {
    keys: {
      create: (key, options) => call('POST', '/api/keys', (value) => keyWithSecretSchema.parse(value), options, key),
      list: async ({ tenant, ...options } = {}) => {
        const query = tenant === undefined ? '' : `?tenant=${encodeURIComponent(tenant)}`
        return (await call('GET', `/api/keys${query}`, (value) => keyListSchema.parse(value), options)).keys
      },
      get: (id, options) => call('GET', keyPath(id), (value) => keyViewSchema.parse(value), options),
      change: (id, change, options) =>
        call('PATCH', keyPath(id), (value) => keyViewSchema.parse(value), options, change),
      rotate: (id, { overlapSeconds, ...options } = {}) =>
        call('POST', keyPath(id, '/rotate'), (value) => keyWithSecretSchema.parse(value), options, { overlapSeconds }),
      revoke: (id, options) => call('DELETE', keyPath(id), (value) => keyViewSchema.parse(value), options),
      usage: (id, options) => call('GET', keyPath(id, '/usage'), (value) => usageViewSchema.parse(value), options),
    },
    tenants: {
      list: async (options) =>
        (await call('GET', '/api/tenants', (value) => tenantListSchema.parse(value), options)).tenants,
      set: (tenant, limits, options) =>
        call('PUT', tenantPath(tenant), (value) => tenantViewSchema.parse(value), options, { limits }),
      remove: async (tenant, { signal } = {}) => {
        await transport.send({ method: 'DELETE', path: tenantPath(tenant), signal, repeatable: false })
      },
      usage: (tenant, options) =>
        call('GET', tenantPath(tenant, '/usage'), (value) => usageViewSchema.parse(value), options),
    },
    audit: ({ after, limit, ...options } = {}) => {
      const query = new URLSearchParams()
      for (const [name, value] of Object.entries({ after, limit }))
        if (value !== undefined) query.set(name, String(value))
      return call('GET', `/api/audit?${query.toString()}`, (value) => auditPageSchema.parse(value), options)
    },
  }
}
