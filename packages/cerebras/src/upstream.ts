import type { Clock, Logger, Registry, Secret } from '@loopgate/service-kit'
import { Call, type CallHandle, type Receiver } from './call/call.ts'
import { baseHeaders, FORWARDED_HEADERS, type ForwardedHeaders } from './call/headers.ts'
import { createUpstreamMetrics } from './call/metrics.ts'
import { createPool, type LinkedHandler } from './call/pool.ts'
import { createWatch } from './call/watch.ts'
import { createModels, type Models } from './models.ts'

export type UpstreamOptions = {
  /** Origin of the Cerebras API, e.g. `https://api.cerebras.ai`; a path in it is a prefix. */
  readonly url: string
  readonly apiKey: Secret
  /** Connections that may be open at once; further calls wait for one. */
  readonly connections?: number
  readonly connectMs?: number
  readonly firstByteMs?: number
  readonly idleMs?: number
  readonly totalMs?: number
}

export type UpstreamRequest = {
  readonly path: '/v1/chat/completions' | '/v1/completions'
  /** For the metrics. */
  readonly model: string
  readonly body: Buffer
  readonly headers?: ForwardedHeaders
  readonly receiver: Receiver
}

export type Upstream = {
  /**
   * Sends one request and hands the reply's raw bytes to the receiver. Tries a second time, at once,
   * only when a reused socket was reset before any byte of the reply. The receiver may hear of a
   * fault before this returns.
   */
  readonly call: (request: UpstreamRequest) => CallHandle
  readonly models: Models
  /** Closes all connections; calls under way fail. */
  readonly close: () => Promise<void>
}

const DEFAULTS = { connections: 512, connectMs: 2000, firstByteMs: 60_000, idleMs: 30_000, totalMs: 600_000 }

/** Makes the client of the Cerebras API. */
export function createUpstream(
  deps: { clock: Clock; logger: Logger; registry: Registry },
  options: UpstreamOptions,
): Upstream {
  const { clock } = deps
  const { url, connections, connectMs, firstByteMs, idleMs, totalMs } = { ...DEFAULTS, ...options }
  const { origin, pathname } = new URL(url)
  const prefix = pathname.replace(/\/$/, '')
  const headers = baseHeaders(options.apiKey)
  const limits = { firstByteMs, idleMs, totalMs }
  const watch = createWatch(clock, Math.min(firstByteMs, idleMs, totalMs))
  const metrics = createUpstreamMetrics(deps.registry)
  const pool = createPool(origin, connections, connectMs)
  const models = createModels(deps, async () => {
    const receiver = collect()
    send('GET', '/v1/models', 'other', null, headers, receiver)
    return await receiver.body
  })

  return {
    call: ({ path, model, body, headers: forwarded, receiver }) =>
      send('POST', path, model, body, withForwarded(forwarded), receiver),
    models,
    close: () => pool.destroy(),
  }

  function send(
    method: 'GET' | 'POST',
    path: string,
    model: string,
    body: Buffer | null,
    sent: readonly string[],
    receiver: Receiver,
  ): CallHandle {
    const startedAt = clock.now()
    const request = { origin, method, path: prefix + path, body, headers: sent as string[] }
    const call = new Call({
      clock,
      limits,
      watch,
      receiver,
      resend: (handler) => dispatch(handler),
      settled(status) {
        // The list of models is no generation; only completions count as upstream requests.
        if (method === 'POST') metrics.called(model, status, (clock.now() - startedAt) / 1000)
        if (status === 'LG_UPSTREAM_AUTH' || status === '401') {
          deps.logger.error({ status }, 'the upstream refuses the credentials of the gateway')
        }
      },
    })
    dispatch(call)
    return call

    function dispatch(handler: LinkedHandler): void {
      pool.dispatch(request, handler)
    }
  }

  function withForwarded(forwarded: ForwardedHeaders | undefined): readonly string[] {
    if (forwarded === undefined) return headers
    const added = FORWARDED_HEADERS.flatMap((name) => {
      const value = forwarded[name]
      return value === undefined ? [] : [name, value]
    })
    return added.length === 0 ? headers : [...headers, ...added]
  }
}

/** A receiver that gathers a small reply. */
function collect(): Receiver & { readonly body: Promise<Buffer> } {
  const pieces: Buffer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  return {
    body: promise,
    onHead() {},
    onBytes: (bytes) => pieces.push(bytes),
    onEnd: () => resolve(Buffer.concat(pieces)),
    onFault: reject,
  }
}
