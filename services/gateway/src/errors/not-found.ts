import { fault } from '@loopgate/service-kit'
import fp from 'fastify-plugin'
import { shapeOf } from './bodies.ts'
import { replyWithFault } from './reply.ts'

type Known = { readonly method: string; readonly pattern: RegExp }

/**
 * Unknown routes: a JSON 404, or a 405 with `allow` if only the method is unknown there, in the
 * shape of the surface that the path belongs to.
 */
export const notFound = fp(
  async (app) => {
    const known: Known[] = []
    app.addHook('onRoute', ({ method, url }) => {
      const pattern = patternOf(url)
      for (const name of [method].flat()) known.push({ method: name, pattern })
    })

    app.setErrorHandler((error, request, reply) => replyWithFault(error, shapeOf(request.url), request, reply))
    app.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?', 1)[0] ?? ''
      const allowed = [...new Set(known.filter((route) => route.pattern.test(path)).map((route) => route.method))]
      if (allowed.length > 0 && !allowed.includes(request.method)) {
        const allow = allowed.join(', ')
        void reply.header('allow', allow)
        const message = `${request.method} is not supported here; use ${allow}`
        return replyWithFault(fault('LG_METHOD_NOT_ALLOWED', { message }), shapeOf(path), request, reply)
      }
      replyWithFault(fault('LG_NOT_FOUND'), shapeOf(path), request, reply)
    })
  },
  { name: 'not-found' },
)

/** A route template as an expression for paths; parameters match one segment. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w-]/g, '\\$&')))
  return new RegExp(`^${parts.join('/')}/?$`)
}
