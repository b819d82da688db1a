import type { Logger } from '@loopgate/service-kit'
import { LogController, type FastifyHttpOptions, type RawServerDefault } from 'fastify'
import { shapeOf } from './errors/bodies.ts'
import { onClientError } from './errors/connection.ts'
import { replyWithFault } from './errors/reply.ts'
import { requestId } from './plugins/request-id.ts'
import { requestLogger } from './plugins/request-logger.ts'
import { CONNECT_PATH } from './runners/routes.ts'

/** A request that takes longer to arrive, headers and body, is a slow-loris or a broken peer. */
const REQUEST_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 15_000
/** How often Node looks for requests past these limits; its own default is 30 s. */
const CHECK_INTERVAL_MS = 5_000
/**
 * Above the idle time of the usual load balancers (60 s and 75 s), which would else meet a
 * connection that we have just closed.
 */
const KEEP_ALIVE_MS = 80_000
/** Longest path parameter: model and loop ids. */
const MAX_PARAM_LENGTH = 256

/** Options of the HTTP server. No limit on how long a reply takes: streams and executions have their own. */
export function httpOptions(logger: Logger): FastifyHttpOptions<RawServerDefault> {
  return {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (_logger, bindings) => requestLogger(logger, bindings),
    genReqId: requestId,
    requestIdHeader: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // Only the door for runners may be upgraded. Elsewhere an `upgrade` header, which Java's client
      // sends with every request to offer HTTP/2, means nothing and must not swallow the body.
      shouldUpgradeCallback: ({ url, headers }) =>
        url?.split('?', 1)[0] === CONNECT_PATH && headers.upgrade?.toLowerCase() === 'websocket',
    },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
    exposeHeadRoutes: false,
    // While closing, requests that come over open connections are still served, with `connection: close`.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => replyWithFault(error, shapeOf(request.url), request, reply),
    clientErrorHandler: onClientError,
  }
}
