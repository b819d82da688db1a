import type { Clock, LoopgateError } from '@loopgate/service-kit'
import type { Dispatcher } from 'undici'
import { faultOfReply, faultOfTimeout, faultOfTransport, isReset } from '../faults/classify.ts'
import type { ReplyHeaders } from '../faults/retry-hint.ts'
import { UpstreamFault } from '../faults/upstream-fault.ts'
import { type RateFacts, readRateFacts } from '../rate/facts.ts'
import { returnedHeaders } from './headers.ts'
import type { Link, LinkedHandler } from './pool.ts'
import type { Watch, Watched } from './watch.ts'

/** Limits of the phases of a call, in ms. */
type CallLimits = {
  /** From the request being written to the reply's headers. */
  readonly firstByteMs: number
  /** Between two pieces of a reply, while the receiver takes them. */
  readonly idleMs: number
  /** The whole call, waiting for a connection included. */
  readonly totalMs: number
}

export type ReplyHead = {
  readonly status: number
  readonly kind: 'stream' | 'document'
  /** Headers that a client may see. */
  readonly headers: Readonly<Record<string, string>>
  /** What it says of the buckets of its organisation and model; null for nothing. */
  readonly rate: RateFacts | null
}

/** Who takes a reply. Called in this order: head, bytes as often as needed, then end or fault, once. */
export type Receiver = {
  /** Only for a success; a reply that says no is a fault. */
  readonly onHead: (head: ReplyHead) => void
  /** Raw bytes, cut anywhere. */
  readonly onBytes: (bytes: Buffer) => void
  /** The reply was whole as far as HTTP knows. */
  readonly onEnd: () => void
  readonly onFault: (error: LoopgateError) => void
}

/** A call under way. */
export type CallHandle = {
  /** Closes the connection; the receiver hears nothing more. */
  readonly abort: () => void
  /** Backpressure: stops and goes on reading from the socket. */
  readonly pause: () => void
  readonly resume: () => void
  /** Requests sent so far, 2 after the one retry. */
  readonly attempts: number
  /** Time that passed before the request was written to a connection, in ms; null until then. */
  readonly waitedMs: number | null
}

/** More of an error body than this is not read: it is told to people, not relayed. */
const MAX_FAULT_BYTES = 64 * 1024

type Deps = {
  readonly clock: Clock
  readonly limits: CallLimits
  readonly watch: Watch
  readonly receiver: Receiver
  /** Sends the request once more. */
  readonly resend: (handler: LinkedHandler) => void
  /**
   * Told once, before the receiver, how the call ended: an HTTP status, `aborted`, or the code of a
   * fault; and the fault, if it was one.
   */
  readonly settled: (status: string, error: UpstreamFault | null) => void
}

/** The state machine of one upstream call, driven by undici's dispatch. */
export class Call implements LinkedHandler, CallHandle, Watched {
  link: Link = { served: 0 }
  attempts = 1
  waitedMs: number | null = null
  limitAt: number
  ticket = -1
  readonly #deps: Deps
  readonly #calledAt: number
  readonly #totalAt: number
  #phase = 'whole call'
  #phaseMs = Number.POSITIVE_INFINITY
  #controller: Dispatcher.DispatchController | null = null
  #reusedSocket = false
  #status = 0
  #errorHeaders: ReplyHeaders = {}
  #errorBody: Buffer[] | null = null
  #errorBytes = 0
  #over = false

  constructor(deps: Deps) {
    this.#deps = deps
    this.#calledAt = deps.clock.now()
    this.#totalAt = this.#calledAt + deps.limits.totalMs
    this.limitAt = this.#totalAt
    deps.watch.add(this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Left while it waited for a connection: nothing has been written, and nothing is.
    if (this.#over) return controller.abort(new Error('the call was given up'))
    this.#controller = controller
    this.#reusedSocket = this.link.served > 0
    this.waitedMs ??= this.#deps.clock.now() - this.#calledAt
    this.#enter('first byte', this.#deps.limits.firstByteMs)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    if (this.#over || status < 200) return
    this.#status = status
    this.#enter('gap between two pieces', this.#deps.limits.idleMs)
    if (status >= 300) {
      this.#errorHeaders = headers
      this.#errorBody = []
      return
    }
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      return this.#fail(
        new UpstreamFault(
          'LG_UPSTREAM_ERROR',
          { kind: 'misrouted' },
          { cause: new Error(`unasked content-encoding ${String(encoding)}`) },
        ),
      )
    }
    const stream = String(headers['content-type'] ?? '').startsWith('text/event-stream')
    const kind = stream ? 'stream' : 'document'
    this.#deps.receiver.onHead({ status, kind, headers: returnedHeaders(headers), rate: readRateFacts(headers) })
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    this.#extend()
    if (this.#errorBody === null) return this.#deps.receiver.onBytes(chunk)
    this.#errorBytes += chunk.length
    if (this.#errorBytes <= MAX_FAULT_BYTES) this.#errorBody.push(chunk)
    else this.#failWithReply()
  }

  onResponseEnd(): void {
    this.link.served++
    if (this.#over) return
    if (this.#errorBody !== null) return this.#failWithReply()
    this.#settle(String(this.#status))
    this.#deps.receiver.onEnd()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return
    // A peer may close an idle socket just as it is used again: nothing has been read, and one
    // immediate try on another socket is right. A fresh socket is never tried twice: the request
    // may have been taken.
    if (this.#status === 0 && this.#reusedSocket && this.attempts === 1 && isReset(error)) {
      this.attempts = 2
      this.#controller = null
      return this.#deps.resend(this)
    }
    if (this.#errorBody !== null) return this.#failWithReply()
    this.#fail(faultOfTransport(error, this.#status !== 0))
  }

  abort(): void {
    if (this.#over) return
    this.#settle('aborted')
    this.#close()
  }

  pause(): void {
    if (this.#over) return
    this.#controller?.pause()
    this.#enter('whole call', Number.POSITIVE_INFINITY)
  }

  resume(): void {
    if (this.#over) return
    this.#enter('gap between two pieces', this.#deps.limits.idleMs)
    this.#controller?.resume()
  }

  expire(): void {
    const total = this.limitAt === this.#totalAt
    const [phase, ms] = total ? ['whole call', this.#deps.limits.totalMs] : [this.#phase, this.#phaseMs]
    this.#fail(faultOfTimeout(total ? 'overlong' : this.#status === 0 ? 'silent' : 'cut', phase, ms))
  }

  /** Enters a phase that may last this long from now. */
  #enter(phase: string, ms: number): void {
    this.#phase = phase
    this.#phaseMs = ms
    this.#extend()
  }

  /** The phase goes on: its limit counts from now again. */
  #extend(): void {
    this.limitAt = Math.min(this.#deps.clock.now() + this.#phaseMs, this.#totalAt)
  }

  #failWithReply(): void {
    const body = Buffer.concat(this.#errorBody ?? []).toString('utf8')
    this.#fail(faultOfReply(this.#status, this.#errorHeaders, body, this.#deps.clock.wallNow()), String(this.#status))
  }

  #fail(error: UpstreamFault, status: string = error.code): void {
    this.#settle(status, error)
    this.#close()
    this.#deps.receiver.onFault(error)
  }

  #settle(status: string, error: UpstreamFault | null = null): void {
    this.#over = true
    this.#deps.watch.remove(this)
    this.#deps.settled(status, error)
  }

  /** A reply that ended by itself leaves its socket to the next call; any other closes it. */
  #close(): void {
    this.#controller?.abort(new Error('the call was given up'))
  }
}
