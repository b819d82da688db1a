// The least that a relay in Node can be: Fastify in, undici's dispatch out, bytes passed on as they
// come. No keys, no validation, no metrics. Prints its port. Arguments: the origin of the upstream.
import fastify from 'fastify'
import { Pool } from 'undici'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const upstream = new Pool(process.argv[2] ?? '', { connections: 256, pipelining: 1 })
const app = fastify({ logger: false })
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.post('/v1/chat/completions', (request, reply) => {
  reply.hijack()
  const response = reply.raw
  upstream.dispatch(
    {
      method: 'POST',
      path: request.url,
      headers: { 'content-type': 'application/json' },
      body: request.body as Buffer,
    },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, statusCode, headers) => {
        delete headers['connection']
        delete headers['transfer-encoding']
        response.writeHead(statusCode, headers as Record<string, string | string[]>)
      },
      onResponseData: (controller, chunk) => {
        if (!response.write(chunk)) resumeOnDrain(response, controller)
      },
      onResponseEnd: () => void response.end(),
      onResponseError: () => void response.destroy(),
    },
  )
})
await app.listen({ host: '127.0.0.1', port: 0 })
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`)

function resumeOnDrain(response: ServerResponse, controller: { pause: () => void; resume: () => void }): void {
  controller.pause()
  response.once('drain', () => controller.resume())
}
