import { Client, type Dispatcher, Pool } from 'undici'

/** One connection's history, so that a call can tell a reused socket from a fresh one. */
export type Link = { served: number }

export interface LinkedHandler extends Dispatcher.DispatchHandler {
  link: Link
}

/** Idle sockets are kept this long unless the peer's `keep-alive` header says less. */
const KEEP_ALIVE_MS = 30_000

/**
 * A pool of HTTP/1.1 connections to one origin, one call at a time on each. undici's own header and
 * body timers are off: a call has timers of its own for each phase.
 */
export function createPool(origin: string, connections: number, connectMs: number): Pool {
  return new Pool(origin, {
    connections,
    pipelining: 1,
    allowH2: false,
    connectTimeout: connectMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    factory: (url, options) => new LinkedClient(url, options),
  })
}

class LinkedClient extends Client {
  readonly #link: Link = { served: 0 }

  constructor(origin: URL, options: object) {
    super(origin, options)
    this.on('connect', () => {
      this.#link.served = 0
    })
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: LinkedHandler): boolean {
    handler.link = this.#link
    return super.dispatch(options, handler)
  }
}
