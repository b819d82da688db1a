import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Authenticator } from '../http/auth.ts'
import { invalidRequest, modelNotFound, type ErrorReply } from '../http/errors.ts'
import { findModel } from './catalogue.ts'
import { listingBody, LISTING_FORMATS, modelBody, type Audience, type ListingFormat } from './listings.ts'

/** Model listings with a key and without, and the path that only opens a connection. */
export function modelRoutes(app: FastifyInstance, deps: { readonly authenticate: Authenticator }): void {
  const json = (reply: FastifyReply, body: string): FastifyReply =>
    reply.header('content-type', 'application/json').send(body)
  const refuse = (reply: FastifyReply, error: ErrorReply): FastifyReply => json(reply.code(error.status), error.body)

  const formatOf = (query: unknown): ListingFormat | { readonly error: ErrorReply } => {
    const wanted = typeof query === 'object' && query !== null && 'format' in query ? query.format : 'default'
    const format = LISTING_FORMATS.find((candidate) => candidate === wanted)
    return (
      format ?? { error: invalidRequest(["query.format: Input should be 'default', 'openrouter' or 'huggingface'"]) }
    )
  }

  const serve = (prefix: string, audience: Audience): void => {
    const keyNeeded = audience === 'key'

    app.get<{ Querystring: unknown }>(`${prefix}/models`, (request, reply) => {
      const caller = keyNeeded ? deps.authenticate(request.headers.authorization) : undefined
      if (caller !== undefined && 'error' in caller) return refuse(reply, caller.error)
      const format = formatOf(request.query)
      return typeof format === 'object' ? refuse(reply, format.error) : json(reply, listingBody(audience, format))
    })

    // A wildcard, because ids with a slash are asked for too and must be told that they do not exist.
    app.get<{ Querystring: unknown; Params: { '*': string } }>(`${prefix}/models/*`, (request, reply) => {
      const caller = keyNeeded ? deps.authenticate(request.headers.authorization) : undefined
      if (caller !== undefined && 'error' in caller) return refuse(reply, caller.error)
      const format = formatOf(request.query)
      if (typeof format === 'object') return refuse(reply, format.error)
      const id = request.params['*']
      const model = findModel(id)
      return model === undefined ? refuse(reply, modelNotFound(id)) : json(reply, modelBody(audience, format, model))
    })
  }

  serve('/v1', 'key')
  serve('/public/v1', 'public')
  app.get('/v1/tcp_warming', (_request, reply) => json(reply, '{"status":"ok"}'))
}
