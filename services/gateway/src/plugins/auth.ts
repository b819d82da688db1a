import type { Socket } from 'node:net'
import type { Principal, Scope } from '@loopgate/contracts'
import { type Clock, fault } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { allows, type Authenticator } from '../auth/authenticator.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent the request; nobody on open routes. */
    principal: Principal
  }
  interface FastifyContextConfig {
    /** Scope that the key must have. Every route has this or `open`. */
    scope?: Scope
    /** The route answers without a key. */
    open?: true
  }
}

const NOBODY: Principal = Object.freeze({
  tenant: 'nobody',
  name: 'nobody',
  keyId: 'nobody',
  scopes: new Set<Scope>(),
  limits: { key: {}, tenant: {} },
})

/** Who a connection was last found to be; a key that expires is noticed this much later at most. */
type Remembered = { readonly presented: string; readonly principal: Principal; readonly version: number; at: number }
const REMEMBERED_MS = 500

/**
 * Authenticates every request in `onRequest`, so that a stranger's body is never read, and
 * refuses at boot any route that names neither a scope nor that it is open.
 */
export const auth = fp<{ authenticator: Authenticator; clock: Clock }>(
  async (app, { authenticator, clock }) => {
    // Clients keep their connections: the key that a connection presented before need not be hashed again.
    const connections = new WeakMap<Socket, Remembered>()
    app.decorateRequest('principal')

    app.addHook('onRoute', (route) => {
      if (route.config?.scope === undefined && route.config?.open !== true) {
        throw new Error(`route ${String(route.method)} ${route.url} needs config.scope or config.open`)
      }
    })

    app.addHook('onRequest', (request, reply, done) => {
      request.principal = NOBODY
      const { scope } = request.routeOptions.config
      // Unknown routes have no scope either; they answer 404 to everybody.
      if (scope === undefined) return done()
      reply.header('cache-control', 'private, no-store')
      const presented = presentedKey(request)
      if (presented === null) return done(fault('LG_NO_KEY'))
      const principal = whoIs(request.raw.socket, presented)
      if (principal === null) return done(fault('LG_WRONG_KEY'))
      if (!allows(principal, scope)) {
        return done(fault('LG_FORBIDDEN', { message: `The API key lacks the scope ${scope}` }))
      }
      request.principal = principal
      done()
    })

    function whoIs(socket: Socket, presented: string): Principal | null {
      const known = connections.get(socket)
      const now = clock.now()
      const version = authenticator.version()
      if (known?.presented === presented && known.version === version && now - known.at < REMEMBERED_MS) {
        return known.principal
      }
      const principal = authenticator.authenticate(presented)
      if (principal !== null) connections.set(socket, { presented, principal, version, at: now })
      return principal
    }
  },
  { name: 'auth' },
)

function presentedKey({ headers }: FastifyRequest): string | null {
  const { authorization } = headers
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null
  const key = headers['x-api-key']
  return typeof key === 'string' && key !== '' ? key : null
}
