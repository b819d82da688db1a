import { createTally, Histogram, SECONDS_BUCKETS, type Clock, type Registry } from '@loopgate/service-kit'
import fp from 'fastify-plugin'

/** What a reply counts as whose caller left before its end; nginx's number for it. */
const CLIENT_CLOSED = 499

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/**
 * Counts and times every HTTP request. Labels are route templates, never what a caller wrote, so
 * the number of series has a bound. WebSocket upgrades are not requests in this sense.
 */
export const httpMetrics = fp<{ registry: Registry; clock: Clock }>(
  async (app, { registry, clock }) => {
    const total = createTally(registry, {
      name: 'loopgate_http_requests_total',
      help: 'HTTP requests by route template, method and status; 499 when the caller left before the end',
      labelNames: ['route', 'method', 'status'],
    })
    const seconds = new Histogram({
      name: 'loopgate_http_request_seconds',
      help: 'From the arrival of the headers to the end of the reply',
      labelNames: ['route', 'method'],
      buckets: SECONDS_BUCKETS,
      registers: [registry],
    })

    const retries = createTally(registry, {
      name: 'loopgate_client_retries_total',
      help: 'Requests that an SDK sent again (x-stainless-retry-count above 0), by route template',
      labelNames: ['route'],
    })

    // Looking a series up by its labels costs more than timing: each is looked up once.
    const timers = once((route, method) => seconds.labels({ route, method }))

    app.addHook('onRequest', (request, reply, done) => {
      if (request.ws) return done()
      if (Number(request.headers['x-stainless-retry-count']) > 0) retries.add(1, request.routeOptions.url ?? 'unknown')
      const start = clock.now()
      const { raw } = reply
      // Not onResponse: that is not called for a caller who leaves early.
      raw.once('close', () => {
        const route = request.routeOptions.url ?? 'unknown'
        const method = METHODS.has(request.method) ? request.method : 'other'
        total.add(1, route, method, String(raw.writableFinished ? raw.statusCode : CLIENT_CLOSED))
        timers(route, method).observe((clock.now() - start) / 1000)
      })
      done()
    })
  },
  { name: 'http-metrics' },
)

/** Remembers what was made for a route and a method, whose combinations have a bound. */
function once<T>(make: (route: string, method: string) => T): (route: string, method: string) => T {
  const made = new Map<string, T>()
  return (route, method) => {
    const key = `${method} ${route}`
    const known = made.get(key)
    if (known !== undefined) return known
    const fresh = make(route, method)
    made.set(key, fresh)
    return fresh
  }
}
