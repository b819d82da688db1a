import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { REQUEST_ID_HEADER } from '@loopgate/contracts'
import fp from 'fastify-plugin'

/** What a caller's own id may look like: it goes into logs and headers. */
const ACCEPTABLE = /^[A-Za-z0-9._:/-]{1,128}$/

// Random once a process and counted from there: unique without asking for randomness on every request.
const epoch = randomBytes(6).toString('hex')
let count = 0

function newRequestId(): string {
  count += 1
  return `req_${epoch}${count.toString(16).padStart(12, '0')}`
}

/** The caller's request id if it is fit for logs and headers, else a new one. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers[REQUEST_ID_HEADER]
  return typeof given === 'string' && ACCEPTABLE.test(given) ? given : newRequestId()
}

/** Names the request in the reply, so that people can quote it. */
export const requestIdHeader = fp(
  async (app) => {
    app.addHook('onRequest', (request, reply, done) => {
      reply.header(REQUEST_ID_HEADER, request.id)
      done()
    })
  },
  { name: 'request-id' },
)
