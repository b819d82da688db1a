import {
  cacheEntrySchema,
  cacheStatisticsSchema,
  explanationSchema,
  purgedSchema,
  verdictRecordSchema,
} from '@loopgate/contracts'
import type { OfLoop } from './of-loop.ts'
import { json, type Transport } from './transport.ts'
import type { Client } from './types.ts'

/** The part of the client that looks into the cache, clears it and judges what it holds; see Client. */
export function cacheClient(transport: Transport, ofLoop: OfLoop): Client['cache'] {
  const entryPath = (key: string, action = ''): string => `/api/cache/${encodeURIComponent(key)}${action}`

  return {
    stats: async ({ signal } = {}) => {
      const reply = await transport.send({ method: 'GET', path: '/api/cache', signal, repeatable: true })
      return json(reply, (value) => cacheStatisticsSchema.parse(value))
    },
    entry: async (key, { signal } = {}) => {
      const reply = await transport.send({ method: 'GET', path: entryPath(key), signal, repeatable: true })
      return json(reply, (value) => cacheEntrySchema.parse(value))
    },
    purge: async ({ tenant, signal } = {}) => {
      const query = tenant === undefined ? '' : `?tenant=${encodeURIComponent(tenant)}`
      const reply = await transport.send({ method: 'DELETE', path: `/api/cache${query}`, signal, repeatable: true })
      return json(reply, (value) => purgedSchema.parse(value))
    },
    remove: async (key, { signal } = {}) => {
      // Twice would be a 404: the first may have been done though its reply was lost.
      await transport.send({ method: 'DELETE', path: entryPath(key), signal, repeatable: false })
    },
    explain: async (request, { signal } = {}) => {
      const call = { method: 'POST', path: '/api/cache/explain', body: request, signal, repeatable: true } as const
      return json(await transport.send(call), (value) => explanationSchema.parse(value))
    },
    judge: async (key, verdict, { signal, loopId } = {}) => {
      const path = entryPath(key, '/verdict')
      const reply = await transport.send({
        method: 'POST',
        path,
        body: verdict,
        headers: ofLoop(loopId),
        signal,
        repeatable: true,
      })
      return json(reply, (value) => verdictRecordSchema.parse(value))
    },
  }
}
