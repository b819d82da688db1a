import { isUtf8 } from 'node:buffer'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyRequest {
    /** The bytes of a JSON body as they came, for whoever hashes or counts them. */
    rawBody: Buffer | null
  }
}

/** Reads the text of a body; throws LG_BAD_JSON for what is no JSON or holds a forbidden property. */
export type ParseJson = (text: string) => unknown

/**
 * The one body format: JSON in UTF-8, not compressed (a small body could unfold to any size).
 * `__proto__` and `constructor.prototype` are refused. Where a route takes no body, none may come
 * under the name of JSON: many clients send that header with every call.
 */
export const jsonBody = fp(
  async (app) => {
    const parse = jsonParser(app)
    app.decorateRequest('rawBody', null)
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
      if (bytes.length === 0 && request.routeOptions.schema?.body === undefined) return done(null, undefined)
      const refused = refuse(request, bytes)
      if (refused !== null) return done(refused)
      request.rawBody = bytes
      try {
        done(null, parse(bytes.toString()))
      } catch (error) {
        done(error as Error)
      }
    })
  },
  { name: 'json-body' },
)

/** In this scope a body is what came, unread but fit to be read: for routes that remember what equal bytes said. */
export function unreadJsonBody(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes: Buffer, done) =>
    done(refuse(request, bytes), bytes),
  )
}

/** Fastify's own parser as a function. */
export function jsonParser(app: FastifyInstance): ParseJson {
  const parse = app.getDefaultJsonParser('error', 'error')
  return (text) => {
    let read: unknown
    void parse(NO_REQUEST, text, (error, body) => {
      if (error) throw fault('LG_BAD_JSON', { message: jsonFault(text) })
      read = body
    })
    return read
  }
}

/** The parser takes a request and looks at its text alone. */
const NO_REQUEST = {} as FastifyRequest

/** Where a body had to come, and none did. */
export function noBody(): LoopgateError {
  return fault('LG_BAD_JSON', { message: 'The body is empty; JSON was expected' })
}

function refuse(request: FastifyRequest, bytes: Buffer): Error | null {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return fault('LG_MEDIA_TYPE')
  if (bytes.length === 0) return noBody()
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
