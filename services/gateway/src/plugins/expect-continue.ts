import type { IncomingMessage, ServerResponse } from 'node:http'
import fp from 'fastify-plugin'

/**
 * Answers `expect: 100-continue` only once the caller is known, so that a stranger does not even
 * send its body. Node alone would say "continue" before any hook runs.
 */
export const expectContinue = fp(
  async (app) => {
    app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      app.server.emit('request', request, response)
    })
    app.addHook('preParsing', (request, reply, payload, done) => {
      if (request.headers.expect?.toLowerCase() === '100-continue') reply.raw.writeContinue()
      done(null, payload)
    })
  },
  { name: 'expect-continue' },
)
