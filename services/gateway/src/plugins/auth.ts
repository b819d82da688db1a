import type { Socket } from 'node:net'
import { ON_BEHALF_HEADER, type Principal, type Scope } from '@loopgate/contracts'
import { type Clock, fault } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { allows, type Authenticator } from '../auth/authenticator.ts'
import type { OnBehalf } from '../auth/on-behalf.ts'

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
export const auth = fp<{ authenticator: Authenticator; onBehalf: OnBehalf; clock: Clock }>(
  async (app, { authenticator, onBehalf, clock }) => {
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
      const loopId = request.headers[ON_BEHALF_HEADER]
      if (loopId === undefined) {
        request.principal = principal
        return done(lacks(principal, scope))
      }
      const refused = lacks(principal, 'worker')
      if (refused) return done(refused)
      void (async () => done(await actFor(request, String(loopId), scope)))()
    })

    async function actFor(request: FastifyRequest, loopId: string, scope: Scope): Promise<Error | undefined> {
      try {
        request.principal = await onBehalf(loopId)
        return lacks(request.principal, scope)
      } catch (error) {
        return error as Error
      }
    }

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

function lacks(principal: Principal, scope: Scope): Error | undefined {
  if (allows(principal, scope)) return undefined
  return fault('LG_FORBIDDEN', { message: `The API key lacks the scope ${scope}` })
}

function presentedKey({ headers }: FastifyRequest): string | null {
  const { authorization } = headers
  if (authorization !== undefined) return /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? null
  const key = headers['x-api-key']
  return typeof key === 'string' && key !== '' ? key : null
}
