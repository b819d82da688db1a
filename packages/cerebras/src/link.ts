import { type Clock, fault, type Logger } from '@loopgate/service-kit'
import { Call, type CallHandle, type Receiver } from './call/call.ts'
import { type Dialect, FORWARDED_HEADERS, type ForwardedHeaders } from './call/headers.ts'
import type { UpstreamMetrics } from './call/metrics.ts'
import { createPool, type LinkedHandler } from './call/pool.ts'
import { createWatch } from './call/watch.ts'
import {
  createCredentials,
  type Credential,
  type Credentials,
  type OrganisationSettings,
} from './credentials/credentials.ts'
import { UpstreamFault } from './faults/upstream-fault.ts'
import { type Breaker, type BreakerOptions, createBreaker, type Pass } from './remedies/breaker.ts'
import { remedyOf } from './remedies/table.ts'

/** Limits of calls, in ms, and of connections. */
export type CallOptions = {
  /** Connections that may be open at once; further calls wait for one. */
  readonly connections?: number
  readonly connectMs?: number
  readonly firstByteMs?: number
  readonly idleMs?: number
  readonly totalMs?: number
  readonly breaker?: BreakerOptions
}

export type LinkOptions = CallOptions & {
  readonly name: string
  readonly url: string
  readonly dialect: Dialect
  readonly organisations: readonly OrganisationSettings[]
}

type LinkCall = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly model: string
  readonly body: Buffer | null
  readonly organisation: string | null
  readonly headers: ForwardedHeaders
  readonly receiver: Receiver
}

/** The way to one origin: its connections, its keys and its breaker. */
export type Link = {
  readonly name: string
  readonly credentials: Credentials
  readonly breaker: Breaker
  readonly send: (call: LinkCall) => CallHandle
  readonly close: () => Promise<void>
}

const DEFAULTS = { connections: 4096, connectMs: 2000, firstByteMs: 60_000, idleMs: 30_000, totalMs: 600_000 }

export function createLink(
  { clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: UpstreamMetrics },
  options: LinkOptions,
): Link {
  const { name, url, connections, connectMs, firstByteMs, idleMs, totalMs } = { ...DEFAULTS, ...options }
  const { origin, pathname } = new URL(url)
  const prefix = pathname.replace(/\/$/, '')
  const limits = { firstByteMs, idleMs, totalMs }
  const watch = createWatch(clock, Math.min(firstByteMs, idleMs, totalMs))
  const pool = createPool(origin, connections, connectMs)
  const breaker = createBreaker(
    {
      clock,
      changed(open) {
        metrics.breaker(name, open)
        logger.warn({ upstream: name, open }, 'the breaker of an upstream has opened or closed')
      },
    },
    options.breaker,
  )
  const credentials = createCredentials(
    {
      clock,
      ejected({ organisation, number }) {
        metrics.ejected(name, organisation)
        logger.error(
          { upstream: name, organisation, key: number },
          'a key of an organisation is left alone for a while',
        )
      },
      suspended(organisation, ms) {
        logger.error({ upstream: name, organisation, ms }, 'an organisation has to pay; it is left alone for a while')
      },
    },
    options.organisations,
    { dialect: options.dialect },
  )
  metrics.breaker(name, false)

  return { name, credentials, breaker, send, close: () => pool.destroy() }

  function send({ method, path, model, body, organisation, headers, receiver }: LinkCall): CallHandle {
    const pass = breaker.pass()
    if (pass === null) return refuse(receiver)
    const credential = credentials.pick(model, organisation)
    const startedAt = clock.now()
    const request = { origin, method, path: prefix + path, body, headers: withForwarded(credential.headers, headers) }
    const call = new Call({
      clock,
      limits,
      watch,
      receiver,
      resend: dispatch,
      settled(status, error) {
        settle({ credential, model, pass }, error, status)
        // The list of models is no generation; only completions count as upstream requests.
        if (method === 'POST') metrics.called(model, status, (clock.now() - startedAt) / 1000)
      },
    })
    dispatch(call)
    return call

    function dispatch(handler: LinkedHandler): void {
      pool.dispatch(request, handler)
    }
  }

  /** What a call that has ended says about its key, its organisation and the upstream. */
  function settle(
    { credential, model, pass }: { credential: Credential; model: string; pass: Pass },
    error: UpstreamFault | null,
    status: string,
  ): void {
    const { organisation } = credential
    metrics.answered(name, organisation, error?.kind ?? (status === 'aborted' ? 'aborted' : 'ok'))
    if (error === null) {
      pass.verdict(status === 'aborted' ? 'neutral' : 'success')
      if (status !== 'aborted') credentials.told(credential, WORKS)
      return
    }
    error.upstream = name
    error.organisation = organisation
    const remedy = remedyOf(error)
    pass.verdict(remedy.breaker)
    credentials.told(credential, remedy)
    error.elsewhere = credentials.another(credential, model)
    if (error.code === 'LG_UPSTREAM_AUTH') {
      logger.error({ upstream: name, organisation, key: credential.number, status }, 'the upstream refuses a key')
    }
  }

  function refuse(receiver: Receiver): CallHandle {
    const error = new UpstreamFault(
      'LG_BREAKER_OPEN',
      { kind: 'breaker_open' },
      { retryAfterMs: breaker.closedForMs() },
    )
    error.upstream = name
    receiver.onFault(error)
    return NO_CALL
  }
}

const WORKS = { key: 'works', pauses: 'nothing', pauseMs: 0 } as const
const NO_CALL: CallHandle = { abort() {}, pause() {}, resume() {}, attempts: 0, waitedMs: null }

function withForwarded(own: readonly string[], forwarded: ForwardedHeaders): string[] {
  const added = FORWARDED_HEADERS.flatMap((name) => {
    const value = forwarded[name]
    return value === undefined ? [] : [name, value]
  })
  return added.length === 0 ? (own as string[]) : [...own, ...added]
}

/** A receiver that gathers a small reply. */
export function collect(): Receiver & { readonly body: Promise<Buffer> } {
  const pieces: Buffer[] = []
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  let bytes = 0
  return {
    body: promise,
    onHead() {},
    onBytes(piece) {
      bytes += piece.length
      if (bytes <= MAX_COLLECTED_BYTES) pieces.push(piece)
      else reject(fault('LG_UPSTREAM_ERROR', { cause: new Error('the reply is too large') }))
    },
    onEnd: () => resolve(Buffer.concat(pieces)),
    onFault: reject,
  }
}

/** A list of models takes some 20 KB. */
const MAX_COLLECTED_BYTES = 4 * 1024 * 1024
