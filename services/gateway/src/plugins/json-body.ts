import { isUtf8 } from 'node:buffer'
import { fault } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyRequest {
    /** The bytes of a JSON body as they came, for whoever hashes or counts them. */
    rawBody: Buffer | null
  }
}

/**
 * The one body format: JSON in UTF-8, not compressed (a small body could unfold to any size).
 * `__proto__` and `constructor.prototype` are refused. Where a route takes no body, none may come
 * under the name of JSON: many clients send that header with every call.
 */
export const jsonBody = fp(
  async (app) => {
    const parse = app.getDefaultJsonParser('error', 'error')
    app.decorateRequest('rawBody', null)
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
      if (bytes.length === 0 && request.routeOptions.schema?.body === undefined) return done(null, undefined)
      const refused = refuse(request, bytes)
      if (refused !== null) return done(refused)
      request.rawBody = bytes
      const text = bytes.toString()
      void parse(request, text, (error, body) => {
        if (error) return done(fault('LG_BAD_JSON', { message: jsonFault(text) }))
        done(null, body)
      })
    })
  },
  { name: 'json-body' },
)

function refuse(request: FastifyRequest, bytes: Buffer): Error | null {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return fault('LG_MEDIA_TYPE')
  if (bytes.length === 0) return fault('LG_BAD_JSON', { message: 'The body is empty; JSON was expected' })
  if (!isUtf8(bytes)) return fault('LG_BAD_JSON', { message: 'The body is not valid UTF-8' })
  return null
}

/** The parser's own text quotes the body, which may hold secrets: say the kind of fault only, here and in the log. */
function jsonFault(text: string): string {
  try {
    JSON.parse(text)
    return 'The body holds a forbidden property: __proto__ or constructor.prototype'
  } catch {
    return 'The body is not valid JSON'
  }
}
