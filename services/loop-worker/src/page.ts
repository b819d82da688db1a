import { createServer, type Server } from 'node:http'
import type { Registry } from '@loopgate/service-kit'

export type PageDeps = { readonly registry: Registry; readonly healthy: () => boolean }

/** The worker's only open door: `/healthz` for probes and `/metrics` for Prometheus. Not listening yet. */
export function createPage({ registry, healthy }: PageDeps): Server {
  return createServer((request, response) => {
    const answer = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'text/plain', 'GET only\n')
    if (request.url === '/healthz') {
      const ok = healthy()
      return answer(ok ? 200 : 503, 'application/json', JSON.stringify({ status: ok ? 'ok' : 'redis_unreachable' }))
    }
    if (request.url !== '/metrics') return answer(404, 'text/plain', 'there is nothing here\n')
    registry.metrics().then(
      (text) => answer(200, registry.contentType, text),
      () => answer(500, 'text/plain', 'the metrics could not be collected\n'),
    )
  })
}
