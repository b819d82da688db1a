import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { SimulatorConfig } from '../config.ts'
import type { Authenticator } from '../http/auth.ts'
import { invalidRequest, TOO_LARGE } from '../http/errors.ts'
import { beginCall, type Call } from './call.ts'
import { createCompletionServer, type ServeDeps } from './serve.ts'
import { chatSurface, textSurface, type Surface } from './surface.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for completions, from their headers on. */
    simulatedCall: { readonly call: Call; readonly organisation: string } | null
  }
}

/**
 * The two completion endpoints. A request is counted and authenticated by its headers alone, before
 * its body is read. Answers go to the raw response: this is the upstream of benchmarks, and a
 * framework's serialiser would be most of its cost.
 */
export function completionRoutes(
  app: FastifyInstance,
  deps: ServeDeps & { readonly authenticate: Authenticator },
  config: SimulatorConfig,
): void {
  const { serve, refuse } = createCompletionServer(deps, config)

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: config.maxBodyBytes }, (_request, body, done) => {
    done(null, body)
  })
  app.decorateRequest('simulatedCall', null)

  app.addHook('onRequest', (request, reply, done) => {
    const call = beginCall(reply.raw, deps.stats)
    const caller = deps.authenticate(request.headers.authorization)
    if ('error' in caller) {
      reply.hijack()
      refuse(call, caller.error)
      return
    }
    request.simulatedCall = { call, organisation: caller.organisation }
    done()
  })

  // Only the reading of a body can fail outside `serve`: it is too large, or it broke off.
  app.setErrorHandler((error, request, reply) => {
    const call = request.simulatedCall?.call
    if (call === undefined || !call.isOpen()) throw error
    reply.hijack()
    const tooLarge = error instanceof Error && 'statusCode' in error && error.statusCode === 413
    refuse(call, tooLarge ? TOO_LARGE : invalidRequest(['The body could not be read']))
  })

  const handle =
    <Request extends { readonly model: string; readonly stream?: boolean | null | undefined }>(
      surface: Surface<Request>,
    ) =>
    (request: FastifyRequest, reply: FastifyReply): void => {
      const simulated = request.simulatedCall
      if (simulated === null) throw new Error('a completion without its onRequest hook')
      reply.hijack()
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      serve(surface, { ...simulated, headers: request.headers, body }).catch((error: unknown) => {
        request.log.error({ err: error }, 'a completion failed')
        reply.raw.destroy()
      })
    }

  app.post(chatSurface.path, handle(chatSurface))
  app.post(textSurface.path, handle(textSurface))
}
